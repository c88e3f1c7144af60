"""Objects as drawn, the hand that follows a script, and a checker that knows the truth alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drivers.simulated.objects import OBJECT_NAMES, SIZE_SHARE, THINGS, draw
from drivers.simulated.scripted.actions import ACTION_NAMES, JUMP_N, TOO_STRONG_N, Script, known_action, suits
from drivers.simulated.scripted.checker import LARGEST_PAD_N, LARGEST_STEP_N, TruthSecond, judge
from drivers.simulated.scripted.episode import play_episode
from drivers.simulated.scripted.robot import ScriptedHand
from drivers.simulated.world import World
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.messages import JointState, Truth
from skin_teleop.rig import Rig, load_rig
from skin_teleop.transforms import pose_from, rotation_about, rotation_from_rpy

RIG = load_rig("simulated")


def with_object(rig: Rig, name: str) -> Rig:
    return dataclasses.replace(rig, world=dataclasses.replace(rig.world, object=name))


def world_with(name: str) -> World:
    return World(with_object(RIG, name), objects={name: draw(name, np.random.default_rng(1)).scene})


# objects


def test_there_are_the_fourteen_objects_of_the_public_data_and_one_with_a_joint() -> None:
    named = "corn rubikscube metalcup cup ball drill mustard lego pringle legopool watermelon popcorn loofah slipper"
    assert set(THINGS) == set(named.split())
    assert set(OBJECT_NAMES) - set(THINGS) == {"flap"}


@pytest.mark.parametrize("name", THINGS)
def test_an_object_is_drawn_inside_its_ranges(name: str) -> None:
    thing = THINGS[name]
    drawn = [draw(name, np.random.default_rng(seed)) for seed in range(20)]
    for value, (low, high) in (
        ([one.mass_kg for one in drawn], thing.mass_kg),
        ([one.friction for one in drawn], thing.friction),
        ([one.softness_s for one in drawn], thing.softness_s),
    ):
        assert low <= min(value) < max(value) <= high
    depth = np.array([one.depth_m for one in drawn]) / thing.depth_m
    assert (np.abs(depth - 1) <= SIZE_SHARE).all()
    assert np.ptp(depth) > SIZE_SHARE


@pytest.mark.parametrize("name", ["drill", "cup"])
def test_an_object_has_the_mass_it_was_drawn_with(name: str) -> None:
    specimen = draw(name, np.random.default_rng(1))
    assert world_with(name).model.body(name).mass[0] == pytest.approx(specimen.mass_kg)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mass_kg": (-0.1, 0.2)}, r"mass, kg; found: -0.1 to 0.2; allowed: above 0"),
        ({"friction": (0.9, 0.5)}, r"friction; found: 0.9 to 0.5"),
        ({"softness_s": (0.0, 0.01)}, r"softness, s; found: 0.0 to 0.01"),
        ({"depth_m": float("nan")}, r"size, m; found: nan"),
    ],
)
def test_an_impossible_object_is_refused(change: dict, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        dataclasses.replace(THINGS["cup"], **change)


def test_a_held_object_stays_until_it_is_let_go() -> None:
    world = world_with("ball")
    height = world.data.joint("ball").qpos[2]
    for _ in range(100):
        world.advance(np.zeros(16))
    assert world.data.joint("ball").qpos[2] == pytest.approx(height, abs=3e-3)
    world.hold_object("ball", False)
    for _ in range(60):
        world.advance(np.zeros(16))
    assert world.data.joint("ball").qpos[2] < height - 0.05
    world.return_object("ball")
    assert world.data.joint("ball").qpos[2] == height


def test_the_flap_turns_about_its_hinge_and_springs_back() -> None:
    world = world_with("flap")
    world.data.joint("flap").qpos[0] = -0.5
    world.advance(np.zeros(16))
    turned = [world.skin_frame() for _ in range(400) if world.advance(np.zeros(16)) is None]
    frames = [truth for truth in turned if truth is not None]
    assert max(abs(frame.object_twist[3]) for frame in frames) > 0.5
    assert abs(world.data.joint("flap").qpos[0]) < 0.1


def test_unknown_objects_and_actions_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"object 'teapot'.*allowed: corn, rubikscube"):
        draw("teapot", np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"action 'throw'.*allowed: squeeze, slide"):
        known_action("throw")


def test_articulation_and_the_flap_belong_together() -> None:
    assert suits("articulation", "flap")
    assert not suits("articulation", "cup")
    assert not any(suits(action, "flap") for action in ACTION_NAMES if action != "articulation")
    with pytest.raises(ConfigError, match="articulation with flap alone"):
        played("articulation", "cup", 1.0)


# checker


def second(
    *, force_n: np.ndarray | float = 2.0, slip: float = 0.0, apart_m: float = 0.06, twist: tuple[float, ...] = (0,) * 6
) -> TruthSecond:
    """A second of steady touch on one pad, the object in the hand; `force_n` is a number or one per frame."""
    pad_force = np.zeros((100, 18, 3))
    pad_force[:, 3, 2] = -np.broadcast_to(force_n, 100)
    palm, thing = np.zeros((100, 7)), np.zeros((100, 7))
    thing[:, 1] = apart_m
    return TruthSecond(pad_force, np.full((100, 18), slip), thing, np.tile(np.array(twist, float), (100, 1)), palm)


WAVE = 2 + np.sin(np.linspace(0, 2 * np.pi, 100))


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_too_much_force_a_collision_and_no_touch_are_never_an_action(action: str) -> None:
    assert "a pad feels 25 N" in judge(action, second(force_n=25.0))
    assert judge(action, second(force_n=np.where(np.arange(100) == 50, 15.0, 1.0))) == "a force jumps"
    assert judge(action, second(force_n=0.0)) == "nothing is touched"


@pytest.mark.parametrize(
    ("action", "good", "bad", "problem"),
    [
        ("squeeze", second(force_n=WAVE), second(), "the grip does not change"),
        ("squeeze", second(force_n=WAVE), second(force_n=WAVE, apart_m=0.3), "the object is not in the hand"),
        ("slide", second(slip=0.03), second(), "nothing slides"),
        ("wiping", second(slip=0.03), second(), "nothing slides"),
        ("rotation", second(twist=(0, 0, 0, 0, 0, 0.5)), second(), "the object does not turn"),
        ("pressing", second(force_n=WAVE), second(), "the pressure does not change"),
        ("articulation", second(twist=(0, 0, 0, 0.5, 0, 0)), second(), "the joint does not move"),
    ],
)
def test_the_checker_tells_an_action_from_holding_still(
    action: str, good: TruthSecond, bad: TruthSecond, problem: str
) -> None:
    assert judge(action, good) == ""
    assert judge(action, bad) == problem


def test_a_circle_is_no_straight_line() -> None:
    angle = np.linspace(0, 2, 100)
    circle, line = second(), second(twist=(0.1, 0, 0, 0, 0, 0))
    circle.object_twist[:, 0], circle.object_twist[:, 2] = -0.1 * np.sin(angle), 0.1 * np.cos(angle)
    assert judge("circumduction", circle) == ""
    assert judge("circumduction", line) == "the object draws no circle"


def test_a_dropped_object_falls() -> None:
    falling = second()
    falling.object_pose[:, 2] = np.linspace(0.1, 0.0, 100)
    assert judge("pick-and-drop", falling) == ""
    assert judge("pick-and-drop", second()) == "the object neither rises nor falls"


# episodes


def played(action: str, name: str, seconds: float, seed: int = 3):
    truths: list[Truth] = []
    counts: list[np.ndarray] = []
    joints: list[JointState] = []
    episode = play_episode(
        RIG,
        action,
        name,
        seconds,
        [seed],
        start=Stamp(0, 10**12, 2 * 10**12),
        on_skin=lambda truth, sent: (truths.append(truth), counts.append(sent.copy())),
        on_joints=joints.append,
    )
    return episode, truths, np.array(counts), joints


@pytest.mark.parametrize(("action", "name"), [("squeeze", "pringle"), ("articulation", "flap")])
def test_an_episode_rests_first_and_its_phases_are_its_attempts(action: str, name: str) -> None:
    episode, truths, _, joints = played(action, name, 4.0)
    time_s = np.array([truth.t_dev for truth in truths]) / NS_PER_S
    force = np.array([np.abs(truth.pad_wrench).sum() for truth in truths])
    phase = np.array([truth.phase for truth in truths])
    assert not force[time_s <= episode.rest_s[1]].any()
    labelled = np.zeros(len(truths), bool)
    for attempt in episode.attempts:
        labelled |= (time_s > attempt.start_s) & (time_s <= attempt.end_s)
    assert len(episode.attempts) == 4
    assert all(attempt.kept for attempt in episode.attempts)
    np.testing.assert_array_equal(phase == ACTION_NAMES.index(action) + 1, labelled)
    assert set(phase.tolist()) == {0, ACTION_NAMES.index(action) + 1}
    strongest = max(np.linalg.norm(truth.pad_wrench[:, :3], axis=-1).max() for truth, on in zip(truths, labelled) if on)
    assert strongest < TOO_STRONG_N < LARGEST_PAD_N
    assert truths[-1].t_mono == 10**12 + truths[-1].t_dev
    assert np.diff([state.t_mono for state in joints]).tolist() == [3_000_000] * (len(joints) - 1)


def test_the_wrist_faces_where_it_was_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    world, aimed = world_with("cup"), []
    monkeypatch.setattr(world, "aim_wrist", aimed.append)
    hand = ScriptedHand(RIG, world, Stamp(0, 0, 0), lambda truth, counts: None, lambda state: None)
    home = rotation_from_rpy(np.deg2rad(RIG.server.wrist_home_rpy_deg))
    for turn in [(np.array([0.0, 0.0, 1.0]), 0.0), (np.array([0.0, 1.0, 0.0]), 0.4)]:
        hand.turn = turn
        hand.wait(0.04)
        hand.move(hand.at_m + 0.01, 0.04)
        assert len(aimed) > 4
        np.testing.assert_array_equal(aimed[-1][3:], pose_from(hand.at_m, rotation_about(*turn) @ home)[3:])
    hand.move(hand.at_m, 0.04, angle_rad=0.5)
    turned = rotation_about(hand.turn[0], hand.turn[1]) @ home
    assert 0.4 < hand.turn[1] <= 0.5 and not np.array_equal(aimed[-1][3:], aimed[-5][3:])
    np.testing.assert_allclose(aimed[-1], pose_from(hand.at_m, turned), atol=0.02)


def test_time_in_which_a_force_jumps_is_not_kept() -> None:
    world = world_with("cup")
    hand = ScriptedHand(RIG, world, Stamp(0, 0, 0), lambda truth, counts: None, lambda state: None)
    script = Script(hand, draw("cup", np.random.default_rng(1)), np.random.default_rng(1))
    assert JUMP_N < LARGEST_STEP_N
    script.attempt("squeeze", lambda: setattr(hand, "largest_jump_n", JUMP_N + 1))
    script.attempt("squeeze", lambda: setattr(hand, "strongest_since_n", TOO_STRONG_N + 1))
    script.attempt("squeeze", lambda: None)
    assert [attempt.reason for attempt in script.attempts] == ["a force jumped", "too strong", ""]
    assert [attempt.kept for attempt in script.attempts] == [False, False, True]
