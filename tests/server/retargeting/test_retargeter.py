"""Retargeting: limits exact, robot-made hands reproduced, real hands followed, left as right, nothing from history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.retargeting.hand_body import float32_at_least
from server.retargeting.human_hand import BONE_JOINTS, TIP_JOINT, WEBXR_WRIST_TO_OPERATOR
from server.retargeting.retargeter import VALID_FOR_NS, Retargeter
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import FINGERS, HAND_MODELS, WRIST_TO_PALM_Z_M, hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.transforms import rotation_from_rpy

MODEL = hand_model("allegro_v4_right")
SCALE = 1.2
IDENTITY = np.eye(3)
ROBOT_WRIST_IN_PALM_M = np.array([0, 0, -WRIST_TO_PALM_Z_M])


def robot_made_hand(q_rad: np.ndarray) -> np.ndarray:
    """(25, 3) joints of a human whose fingertips and bones, scaled, are the robot's at `q_rad`."""
    posture = hand_posture(MODEL, q_rad)
    links = posture.link_position_m.reshape(4, 4, 3)
    points = np.zeros((25, 3))
    points[21] = [0.02, 0, -0.08]  # the little finger's knuckle, on which side it is on a right hand
    for k, finger in enumerate(FINGERS):
        for joint, palm in zip(BONE_JOINTS[finger], (*links[k, 1:], posture.tip_position_m[k])):
            points[joint] = WEBXR_WRIST_TO_OPERATOR.T @ (palm - ROBOT_WRIST_IN_PALM_M) / SCALE
        if finger != "thumb":
            points[TIP_JOINT[finger] - 4] = points[TIP_JOINT[finger] - 3] * 0.5
    return points


def robot_tips(q_rad: np.ndarray) -> np.ndarray:
    return hand_posture(MODEL, q_rad).tip_position_m - ROBOT_WRIST_IN_PALM_M


def inside_limits(q_rad: np.ndarray) -> bool:
    return bool((q_rad >= MODEL.lower_rad).all() and (q_rad <= MODEL.upper_rad).all())


def test_postures_of_the_robot_itself_are_reproduced_within_a_millimetre():
    rng = np.random.default_rng(3)
    span = MODEL.upper_rad - MODEL.lower_rad
    start, end = (MODEL.lower_rad + span * rng.uniform(0.3, 0.7, (2, 16)) for _ in "ab")
    retargeter = Retargeter(MODEL, SCALE)
    for part in np.linspace(0, 1, 60):
        q = (1 - part) * start[0] + part * end[1]
        answer = retargeter.solve(robot_made_hand(q), IDENTITY)
        assert answer.held == ""
        if part:
            np.testing.assert_allclose(robot_tips(answer.q_rad), robot_tips(q), atol=1e-3)
            assert answer.finger_error_m.max() < 1e-3


def test_the_answer_turns_and_moves_with_the_wrist():
    hand = robot_made_hand(np.full(16, 0.5))
    turned = rotation_from_rpy([0.4, -1.1, 2.0])
    there = Retargeter(MODEL, SCALE).solve(hand @ turned.T + [0.3, 1.2, -0.5], turned)
    here = Retargeter(MODEL, SCALE).solve(hand, IDENTITY)
    np.testing.assert_allclose(there.q_rad, here.q_rad, atol=1e-6)


def test_a_mirrored_left_hand_gives_the_same_joints():
    hand = robot_made_hand(np.full(16, 0.4))
    mirrored = hand * [-1, 1, 1]
    right = Retargeter(MODEL, SCALE, "right").solve(hand, IDENTITY)
    left = Retargeter(MODEL, SCALE, "left").solve(mirrored, IDENTITY)
    np.testing.assert_array_equal(left.q_rad, right.q_rad)
    wrong = Retargeter(MODEL, SCALE, "right").solve(mirrored, IDENTITY)
    assert "knuckles are those of the other hand than the right one" in wrong.held


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.06), st.floats(0.5, 2.0))
def test_limits_hold_exactly_for_any_hand(seed, spread_m, scale):
    rng = np.random.default_rng(seed)
    retargeter = Retargeter(MODEL, scale)
    for _ in range(3):
        hand = robot_made_hand(rng.uniform(MODEL.lower_rad, MODEL.upper_rad)) + rng.normal(0, spread_m, (25, 3))
        answer = retargeter.solve(hand, rotation_from_rpy(rng.uniform(-3, 3, 3)))
        assert inside_limits(answer.q_rad)
        assert inside_limits(answer.q_rad.astype(np.float32).astype(float))
        assert np.isfinite(answer.finger_error_m).all()


@pytest.mark.parametrize("direction", [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
def test_limits_hold_when_every_fingertip_asks_for_the_impossible(direction):
    hand = robot_made_hand(np.zeros(16))
    hand[1:] = 0.15 * np.array(direction)
    answer = Retargeter(MODEL, SCALE).solve(hand, IDENTITY)
    assert answer.held == ""
    assert inside_limits(answer.q_rad)
    assert answer.closest_m > -1e-3
    assert answer.finger_error_m.max() > 0.05


def test_limits_survive_the_rounding_to_float32():
    upper = -float32_at_least(-MODEL.upper_rad)
    assert (upper.astype(np.float32) == upper).all()
    assert (upper <= MODEL.upper_rad).all() and (upper > MODEL.upper_rad - 1e-6).all()
    assert float(np.float32(1.61)) > 1.61  # what would happen without it


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda hand: hand * np.nan, "not a finite number"),
        (lambda hand: hand * 6.0, "a bone is"),
        (lambda hand: hand * 0.01, "fingertips are"),
    ],
)
def test_an_implausible_hand_holds_the_last_joints_and_says_so(spoil, reason):
    retargeter = Retargeter(MODEL, SCALE)
    hand = robot_made_hand(np.full(16, 0.6))
    before = retargeter.solve(hand, IDENTITY)
    held = retargeter.solve(spoil(hand), IDENTITY)
    assert reason in held.held
    np.testing.assert_array_equal(held.q_rad, before.q_rad)
    assert retargeter.solve(hand, IDENTITY).held == ""


@pytest.mark.parametrize("shape", [(21, 3), (25, 4), (25,), (0, 25, 3)])
def test_other_shapes_are_refused_by_name(shape):
    with pytest.raises(TraceError, match=r"keypoints to retarget; found: shape \(.*allowed: shape \(25, 3\)"):
        Retargeter(MODEL, SCALE).solve(np.zeros(shape))
    with pytest.raises(TraceError, match="a wrist rotation to retarget"):
        Retargeter(MODEL, SCALE).solve(robot_made_hand(np.full(16, 0.5)), np.zeros(4))


def test_the_target_is_the_message_that_drives_a_hand():
    retargeter = Retargeter(MODEL, SCALE)
    retargeter.solve(robot_made_hand(np.full(16, 0.4)))
    answer = retargeter.solve(robot_made_hand(np.full(16, 0.5)))
    target = answer.target
    np.testing.assert_allclose(target.target, answer.q_rad, atol=1e-7)
    assert (target.engaged, target.seq, target.pose_seq) == (0, 2, 2)
    assert target.valid_until - target.t_mono == VALID_FOR_NS


def test_a_data_set_is_solved_row_by_row_and_says_which_rows_are_held():
    rng = np.random.default_rng(6)
    hands = np.array([robot_made_hand(np.full(16, bend)) for bend in (0.3, 0.5, 0.7)])
    hands[1] = np.nan
    turns = np.array([rotation_from_rpy(rng.uniform(-3, 3, 3)) for _ in hands])
    answers = Retargeter(MODEL, SCALE).solve_all(hands @ turns.swapaxes(-1, -2), turns)
    assert answers.q_rad.shape == (3, 16) and answers.at_limit.dtype == bool
    assert [bool(why) for why in answers.held] == [False, True, False]
    np.testing.assert_array_equal(answers.q_rad[1], answers.q_rad[0])
    alone = Retargeter(MODEL, SCALE).solve(hands[2])
    np.testing.assert_allclose(answers.q_rad[2], alone.q_rad, atol=1e-6)
    np.testing.assert_allclose(answers.finger_error_m[2], alone.finger_error_m, atol=1e-6)
    assert Retargeter(MODEL, SCALE).solve_all(np.zeros((0, 25, 3))).q_rad.shape == (0, 16)


def test_a_wrist_without_rotation_holds():
    answer = Retargeter(MODEL, SCALE).solve(robot_made_hand(np.full(16, 0.6)), IDENTITY * np.nan)
    assert answer.held == "the wrist has no rotation"


def test_the_same_frames_give_the_same_joints():
    rng = np.random.default_rng(5)
    hands = [robot_made_hand(np.full(16, 0.5)) + rng.normal(0, 0.01, (25, 3)) for _ in range(10)]
    runs = [Retargeter(MODEL, SCALE), Retargeter(MODEL, SCALE)]
    first, second = ([r.solve(hand, IDENTITY).q_rad for hand in hands] for r in runs)
    np.testing.assert_array_equal(first, second)


RECORDED = {
    "dexretargeting_mediapipe_right": (2.5, 10.0),
    "handyjs_quest_poses_right": (4.8, 14.5),
    "leap_pinch_h31": (0.8, 5.0),
    "leap_confidence-demo_h17": (2.0, 7.5),
    "leap_three-claps_h10": (5.5, 23.0),
}
"""Mean direction error, degrees, and mean fingertip error at scale 1.2, mm: about a quarter above what was measured.

Recordings from dexsuite/dex-retargeting (MIT), stewdio/handy.js (MIT) and leapmotion/leapjs-playback (Apache-2.0).
dex-retargeting reaches 38.8 mm and 39.3 mm on the first two with its own scale of 1.6.
"""


@pytest.mark.parametrize(("name", "bounds"), RECORDED.items())
def test_real_hands_are_followed(reference_data: Path, name: str, bounds: tuple[float, float]):
    keypoints = np.load(reference_data / "hands" / f"{name}.npz", allow_pickle=False)["keypoints"][::4]
    retargeter = Retargeter(MODEL, SCALE)
    answers = [retargeter.solve(hand, IDENTITY) for hand in keypoints]
    assert all(inside_limits(answer.q_rad) for answer in answers)
    human = np.array([hand[[TIP_JOINT[finger] for finger in FINGERS]] - hand[0] for hand in keypoints])
    human = human @ WEBXR_WRIST_TO_OPERATOR.T
    robot = robot_tips(np.array([answer.q_rad for answer in answers]))
    cosine = (human * robot).sum(-1) / np.linalg.norm(human, axis=-1) / np.linalg.norm(robot, axis=-1)
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < bounds[0]
    assert 1000 * np.mean([answer.finger_error_m for answer in answers]) < bounds[1]
    np.testing.assert_allclose(
        np.linalg.norm(robot - SCALE * human, axis=-1), [answer.finger_error_m for answer in answers], atol=1e-6
    )


def test_the_order_of_frames_does_not_matter(reference_data: Path):
    keypoints = np.load(reference_data / "hands" / "leap_pinch_h31.npz", allow_pickle=False)["keypoints"][::3]
    there, back = (Retargeter(MODEL, SCALE).solve_all(frames).q_rad for frames in (keypoints, keypoints[::-1]))
    np.testing.assert_array_equal(there, back[::-1])


def test_a_scale_that_no_hand_has_is_refused():
    with pytest.raises(ConfigError, match=r"a hand scale; found: .*; allowed: 0\.5 to 3\.0"):
        Retargeter(MODEL, [1.2, 1.2, 1.2, 9.0])


def test_the_closest_links_are_named():
    answer = Retargeter(MODEL, SCALE).solve(robot_made_hand(np.full(16, 0.5)), IDENTITY)
    assert set(answer.closest_links) <= {"palm", *(f"link_{k}" for k in range(16))}
    assert answer.closest_m > -0.001
    assert answer.solve_us > 0


def test_a_left_robot_hand_mirrors_the_right_one():
    hand = robot_made_hand(np.full(16, 0.4))
    left_model = hand_model("allegro_v4_left")
    right = Retargeter(MODEL, SCALE, "right").solve(hand, IDENTITY)
    left = Retargeter(left_model, SCALE, "left").solve(hand * [-1, 1, 1], IDENTITY)
    np.testing.assert_allclose(left.q_rad, left_model.mirrored(right.q_rad), atol=2e-3)


@pytest.mark.parametrize("name", HAND_MODELS)
def test_every_hand_is_driven_inside_its_limits(name):
    model = hand_model(name)
    side = "left" if "left" in name else "right"
    mirror = [-1, 1, 1] if side == "left" else [1, 1, 1]
    answer = Retargeter(model, SCALE, side).solve(robot_made_hand(np.full(16, 0.4)) * mirror, IDENTITY)
    assert ((answer.q_rad >= model.lower_rad) & (answer.q_rad <= model.upper_rad)).all()
    assert answer.held == ""
