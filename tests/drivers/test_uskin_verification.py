"""Presses on a simulated skin that is mounted wrongly: the tool says how, or says that it cannot say."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest

from drivers.simulated.pressed_skin import finger_force_n, still_poses
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.uskin.touch import PRESSED_COUNTS, TouchDetector
from drivers.uskin.verification import Press, carried_twice, corners, described, judge
from skin_teleop.messages import N_PADS, N_TAXELS
from skin_teleop.skin_layout import Pad, skin_layout
from skin_teleop.skin_mounting import PadMounting, mounted_taxels, possible_mountings

LAYOUT = skin_layout()
KINDS = ("curved", "4x4", "4x6")


@functools.cache
def rows_of_a_press(taxel: int) -> np.ndarray:
    """Z (T, 368) of the skin itself, however it is wired: 0.2 s of rest, 0.2 s of a finger, 0.3 s of rest."""
    skin, poses = MagneticSkin(LAYOUT, seed=5), still_poses(LAYOUT)
    force, none = finger_force_n(LAYOUT, taxel), np.zeros((N_TAXELS, 3))
    forces = [none] * 20 + [force] * 20 + [none] * 30
    return np.array([skin.step(applied, np.zeros(N_PADS), poses, 0.01)[:, 2] for applied in forces], float)


def on_wires(carried: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows (T, 368) as they arrive where taxel k speaks on the wire of taxel `carried[k]`."""
    arrived = np.empty_like(rows)
    arrived[:, carried] = rows
    return arrived


def answer_to(carried: np.ndarray, taxel: int) -> np.ndarray:
    detector = TouchDetector(N_TAXELS)
    answers = [a for row in on_wires(carried, rows_of_a_press(taxel)) if (a := detector.take(row)) is not None]
    assert len(answers) == 1
    return answers[0]


def verdict(mounted: dict[str, PadMounting], pad: Pad) -> PadMounting | None:
    carried = mounted_taxels(LAYOUT, mounted)
    return judge(LAYOUT, pad, [Press(t, answer_to(carried, t)) for t in corners(LAYOUT, pad)]).mounting


@pytest.mark.parametrize("kind", KINDS)
def test_every_injected_flip_of_every_kind_is_found(kind: str) -> None:
    pad = next(pad for pad in LAYOUT.pads if pad.kind == kind)
    for mounting in possible_mountings(LAYOUT, pad, pad.name):
        assert verdict({pad.name: mounting}, pad) == mounting


@pytest.mark.parametrize("kind", KINDS)
def test_two_swapped_pads_are_found_with_their_turns(kind: str) -> None:
    generator = random.Random(kind)
    one, other = generator.sample([pad for pad in LAYOUT.pads if pad.kind == kind], 2)
    mounted = {
        one.name: generator.choice(possible_mountings(LAYOUT, one, other.name)),
        other.name: generator.choice(possible_mountings(LAYOUT, other, one.name)),
    }
    assert {pad.name: verdict(mounted, pad) for pad in (one, other)} == mounted
    assert carried_twice(mounted) == []


def presses(pad: Pad, *answers: np.ndarray) -> list[Press]:
    return [Press(taxel, answer) for taxel, answer in zip(corners(LAYOUT, pad), answers, strict=True)]


def spot(*taxels: int) -> np.ndarray:
    answer = np.zeros(N_TAXELS)
    answer[list(taxels)] = 1000.0
    return answer


def test_what_cannot_be_judged_is_said() -> None:
    pad, neighbour, palm = LAYOUT.pad("link_6"), LAYOUT.pad("link_5A"), LAYOUT.pad("ahr_palm_1")
    both = judge(LAYOUT, pad, presses(pad, spot(pad.first, neighbour.first), spot(pad.first, neighbour.first)))
    assert both.mounting is None
    assert "answered together; press again" in both.text
    wrong = judge(LAYOUT, pad, presses(pad, spot(palm.first), spot(palm.first)))
    assert wrong.mounting is None
    assert wrong.text == "ahr_palm_1 answered, which is no 4x4 pad; was another one pressed?"
    middle = judge(LAYOUT, pad, presses(pad, *(spot(*range(pad.first, pad.first + 16)) for _ in range(2))))
    assert middle.mounting is None
    assert "no turn fits clearly" in middle.text


def test_a_press_that_only_another_pad_answered_proves_nothing() -> None:
    """Weak beside the first press, so that the pads do not count as answering together; its place is 0 / 0."""
    pad, neighbour = LAYOUT.pad("link_6"), LAYOUT.pad("link_5A")
    lower_left, _ = corners(LAYOUT, pad)
    said = judge(LAYOUT, pad, presses(pad, 5 * spot(lower_left), 0.4 * spot(neighbour.first)))
    assert said.mounting is None
    assert said.text == "no turn fits clearly (inf mm off, next inf mm)"


def test_two_pads_on_one_pads_wires_are_told() -> None:
    assert carried_twice({"link_6": PadMounting("link_6"), "link_10": PadMounting("link_6")}) == ["link_6", "link_10"]


def test_mountings_in_words() -> None:
    assert described("link_6", PadMounting("link_6")) == "as the table says"
    assert (
        described("link_6", PadMounting("link_10", 90, True)) == "on the wires of link_10, mirrored, turned by 90 deg"
    )


def test_noise_and_drift_are_no_press_and_late_channels_are_no_press() -> None:
    detector, generator = TouchDetector(3), np.random.default_rng(1)
    for k in range(500):
        z = np.array([36_000 + k, 36_000, np.nan if k < 250 else 20_000]) + generator.integers(-10, 11, 3)
        assert detector.take(z) is None
        assert not detector.touched


@pytest.mark.parametrize("sign", [1, -1])
def test_a_press_gives_its_strongest_row_once(sign: int) -> None:
    detector = TouchDetector(4)
    rest = np.full(4, 36_000.0)
    force = [0, 0, 0, PRESSED_COUNTS + 10, 2000, 900, 0, 0, 0, 0, 0, 0]
    answers = [detector.take(rest + sign * np.array([f, f / 4, 0, 0])) for f in force]
    assert [k for k, answer in enumerate(answers) if answer is not None] == [10]
    np.testing.assert_allclose(answers[10], [2000, 500, 0, 0])
