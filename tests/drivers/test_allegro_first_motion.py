"""A new set-up gets a fifth of the torque first, and only after a person has confirmed."""

from __future__ import annotations

import dataclasses

import pytest

from drivers.allegro.first_motion import FirstMotion
from skin_teleop.cli.first_motion import confirm_first_motion
from skin_teleop.errors import ConfigError
from skin_teleop.rig import load_rig

RIG = load_rig("simulated")


def test_torque_rises_from_a_fifth_with_the_time_of_following():
    motion, shares = FirstMotion(asked=True), []
    for _ in range(7):
        shares.append(motion.torque_share)
        motion.follow(10.0)
    assert shares == pytest.approx([0.2, 1 / 3, 7 / 15, 0.6, 11 / 15, 13 / 15, 1.0])
    motion.follow(1000.0)
    assert motion.torque_share == 1.0


def test_without_being_asked_for_nothing_is_held_back():
    assert FirstMotion(asked=False).torque_share == 1.0


def test_the_word_lets_it_go_on(monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda prompt: "ready ")
    expected = dataclasses.replace(RIG, hand=dataclasses.replace(RIG.hand, first_motion=True))
    assert confirm_first_motion(RIG) == expected
    assert "power switch is in reach" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "yes", "no"])
def test_anything_else_does_not(monkeypatch, answer):
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    with pytest.raises(ConfigError, match=r"first motion was not confirmed; found: .*; allowed: ready"):
        confirm_first_motion(RIG)


def test_a_closed_keyboard_is_no_confirmation(monkeypatch):
    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    with pytest.raises(ConfigError, match="not confirmed"):
        confirm_first_motion(RIG)
