from __future__ import annotations

import numpy as np
import pytest

from server.operator_motion.demo_motion import (
    CHEST_XR_M,
    HANDSHAKE_XR,
    RATE_HZ,
    WORLD_TO_XR,
    Keyframe,
    OperatorTrace,
    demo_trace,
    minimum_jerk,
    play,
)
from server.operator_motion.human_hand import HAND_LENGTH_M, HandShape, hand_pose
from skin_teleop.transforms import rotation_from_quaternion

BONES = [(a, a + 1) for first in (5, 10, 15, 20) for a in range(first, first + 4)] + [(1, 2), (2, 3), (3, 4)]
FLAT = HandShape(knuckle=(0,) * 4, middle=(0,) * 4, distal=(0,) * 4)
FIST = HandShape(knuckle=(80,) * 4, middle=(90,) * 4, distal=(60,) * 4)


def pose_of(shape: HandShape) -> np.ndarray:
    return hand_pose(shape.angles(), np.zeros(3), np.eye(3))


def bone_lengths(pose: np.ndarray) -> np.ndarray:
    return np.array([np.linalg.norm(pose[b, :3] - pose[a, :3]) for a, b in BONES])


def test_the_middle_finger_of_a_flat_hand_reaches_the_hand_length() -> None:
    tip = pose_of(FLAT)[14, :3]
    assert np.linalg.norm(tip) == pytest.approx(0.99 * HAND_LENGTH_M, rel=1e-3)
    assert tip[2] < 0


def test_bones_keep_their_length_in_every_shape() -> None:
    np.testing.assert_allclose(bone_lengths(pose_of(FIST)), bone_lengths(pose_of(FLAT)), atol=1e-12)


def test_flexion_brings_the_fingertips_out_of_the_palm_side() -> None:
    bent = HandShape(knuckle=(70,) * 4, middle=(20,) * 4, distal=(5,) * 4)
    for tip in (9, 14, 19, 24):
        assert pose_of(bent)[tip, 1] < pose_of(FLAT)[tip, 1] - 0.05


def test_the_thumb_of_a_right_hand_is_at_minus_x_and_opposes_towards_the_palm() -> None:
    wide = pose_of(HandShape(thumb_yaw=60, thumb_opposition=0))
    opposed = pose_of(HandShape(thumb_yaw=60, thumb_opposition=90))
    assert wide[4, 0] < -0.06
    assert opposed[4, 1] < wide[4, 1] - 0.05


def test_joint_frames_follow_webxr() -> None:
    pose = pose_of(FIST)
    rotations = rotation_from_quaternion(pose[:, 3:])
    for joint in (6, 7, 8, 11, 16, 21, 2, 3):
        bone = pose[joint + 1, :3] - pose[joint, :3]
        np.testing.assert_allclose(rotations[joint] @ [0, 0, -1], bone / np.linalg.norm(bone), atol=1e-9)
    np.testing.assert_allclose(pose[9, 3:], pose[8, 3:])


def test_the_whole_hand_moves_with_the_wrist() -> None:
    moved = hand_pose(FIST.angles(), CHEST_XR_M, HANDSHAKE_XR)
    np.testing.assert_allclose(moved[:, :3], CHEST_XR_M + pose_of(FIST)[:, :3] @ HANDSHAKE_XR.T, atol=1e-12)


def test_minimum_jerk_starts_and_ends_at_rest() -> None:
    share = minimum_jerk(np.array([-1.0, 0.0, 0.001, 0.5, 0.999, 1.0, 2.0]))
    np.testing.assert_allclose(share[[0, 1, 3, 5, 6]], [0, 0, 0.5, 1, 1])
    assert share[2] < 1e-7
    assert share[4] > 1 - 1e-7


def test_an_offset_in_the_world_arrives_in_xr_axes() -> None:
    forward = (Keyframe(0, FLAT), Keyframe(1, FLAT, (0.1, 0.0, 0.0)), Keyframe(2, FLAT, (0.1, 0.0, 0.0)))
    trace = play(forward, (), (0, 0, 0))
    np.testing.assert_allclose(trace.pose[-1, 0, :3] - trace.pose[0, 0, :3], [0, 0, -0.1], atol=1e-6)


def test_an_orbit_keeps_the_distance_to_its_pivot_and_turns_the_hand() -> None:
    pivot = (0.05, 0.1, 0.0)
    trace = play((Keyframe(0, FLAT), Keyframe(1, FLAT, orbit_deg=40), Keyframe(2, FLAT, orbit_deg=40)), (), pivot)
    world = (trace.pose[:, 0, :3] - CHEST_XR_M) @ WORLD_TO_XR
    np.testing.assert_allclose(np.linalg.norm((world - pivot)[:, :2], axis=1), np.hypot(0.05, 0.1), atol=1e-6)
    start, end = rotation_from_quaternion(trace.pose[[0, -1], 0, 3:])
    cosine = (np.trace(start.T @ end) - 1) / 2
    assert np.rad2deg(np.arccos(cosine)) == pytest.approx(40, abs=0.1)


@pytest.fixture(scope="module")
def trace() -> OperatorTrace:
    return demo_trace()


def test_the_demo_rests_first_and_announces_four_actions(trace: OperatorTrace) -> None:
    still = trace.pose[trace.t_s < 1.9]
    assert np.ptp(still, axis=0).max() < 1e-6
    labels = [mark.label for mark in trace.marks]
    assert labels[0] == "rest"
    assert set(labels) == {"rest", "squeeze", "rotation", "pick-and-drop", "pressing"}
    ends = [0.0]
    for mark in trace.marks:
        assert ends[-1] <= mark.start_s < mark.end_s <= trace.t_s[-1]
        ends.append(mark.end_s)


def test_the_demo_is_what_a_headset_could_send(trace: OperatorTrace) -> None:
    assert trace.pose.dtype == np.float32
    assert trace.pose.shape == (len(trace.t_s), 25, 7)
    np.testing.assert_allclose(np.linalg.norm(trace.pose[..., 3:], axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(np.diff(trace.t_s), 1 / RATE_HZ)
    speed = np.linalg.norm(np.diff(trace.pose[:, 0, :3], axis=0), axis=1) * RATE_HZ
    assert speed.max() < 0.5  # m/s: nobody reaches faster over a table
