"""The palm follows the wrist: axes, anchor, box, speed, jumps."""

from __future__ import annotations

import numpy as np
import pytest

from server.retargeting.wrist import JUMP_RAD, MAX_SPEED_M_PER_S, MAX_TURN_RAD, WristFollower
from skin_teleop.transforms import rotation_about, rotation_from_quaternion, rotation_from_rpy

HOME_M, HOME_RPY_DEG, BOX_M = (-0.16, 0.0, 0.17), (90.0, 0.0, 90.0), (0.25, 0.2, 0.1)
FRAME_NS = 14_000_000
START = np.array([0.2, 1.1, -0.4])


class Walk:
    """Feeds a follower frame by frame."""

    def __init__(self) -> None:
        self.follower = WristFollower(HOME_M, HOME_RPY_DEG, BOX_M)
        self.t_ns = 10**12
        self.poses = [self.follower.pose]

    def to(self, position: np.ndarray, rotation: np.ndarray | None = None, frames: int = 1) -> np.ndarray:
        for _ in range(frames):
            turned = np.eye(3) if rotation is None else rotation
            self.follower.follow(np.asarray(position), turned, self.t_ns)
            self.poses.append(self.follower.pose)
            self.t_ns += FRAME_NS
        return self.poses[-1]


@pytest.fixture
def walk() -> Walk:
    walk = Walk()
    walk.to(START, frames=40)
    return walk


def test_it_starts_at_home_and_stays_while_the_wrist_rests(walk):
    np.testing.assert_allclose(walk.poses, np.broadcast_to(walk.poses[0], (41, 7)), atol=1e-12)
    np.testing.assert_allclose(walk.poses[0][:3], HOME_M)


@pytest.mark.parametrize(
    ("in_xr", "in_world"),
    [((0, 0, -0.04), (0.04, 0, 0)), ((-0.04, 0, 0), (0, 0.04, 0)), ((0, 0.04, 0), (0, 0, 0.04))],
)
def test_forward_left_and_up_in_xr_are_forward_left_and_up_in_the_world(walk, in_xr, in_world):
    pose = walk.to(START + in_xr, frames=40)
    np.testing.assert_allclose(pose[:3] - HOME_M, in_world, atol=1e-12)


def test_a_turn_about_the_vertical_is_one_about_the_worlds_vertical(walk):
    pose = walk.to(START, rotation_about([0, 1, 0], 0.5), frames=60)
    home = rotation_from_rpy(np.deg2rad(HOME_RPY_DEG))
    expected = rotation_about([0, 0, 1], 0.5) @ home
    np.testing.assert_allclose(rotation_from_quaternion(pose[3:]), expected, atol=1e-9)


def test_it_never_leaves_the_box(walk):
    for k in range(200):
        walk.to(START + np.array([0.0, 0.004 * k, 0.004 * k]))
    offsets = np.array(walk.poses)[:, :3] - HOME_M
    assert (np.abs(offsets) <= np.array(BOX_M) + 1e-12).all()
    np.testing.assert_allclose(offsets[-1], (-0.25, 0, 0.1), atol=1e-12)


def test_it_never_turns_farther_than_a_right_angle(walk):
    for angle in np.linspace(0, 2.5, 200):
        walk.to(START, rotation_about([1, 0, 0], angle))
    home = rotation_from_rpy(np.deg2rad(HOME_RPY_DEG))
    away = rotation_from_quaternion(walk.poses[-1][3:]) @ home.T
    assert np.arccos((np.trace(away) - 1) / 2) == pytest.approx(MAX_TURN_RAD, abs=1e-6)


def test_speed_is_bounded_and_ramps_in_after_an_engage():
    walk = Walk()
    walk.to(START)
    for k in range(40):
        walk.to(START + np.array([0, 0, -0.045 * (k % 2)]))
    steps = np.linalg.norm(np.diff(np.array(walk.poses)[:, :3], axis=0), axis=-1)
    assert steps.max() <= MAX_SPEED_M_PER_S * 0.014 + 1e-12
    assert steps[2] <= MAX_SPEED_M_PER_S * 0.014 * (28 / 300) + 1e-12
    assert steps[30] > steps[2]


@pytest.mark.parametrize(
    ("position", "rotation"),
    [(START + np.array([0.06, 0, 0]), np.eye(3)), (START, rotation_about([0, 0, 1], JUMP_RAD + 0.02))],
)
def test_a_jump_takes_a_new_anchor_instead_of_being_followed(walk, position, rotation):
    before = walk.poses[-1]
    np.testing.assert_allclose(walk.to(position, rotation, frames=40), before, atol=1e-12)
    assert walk.follower.jumps == 1


def test_a_release_keeps_the_palm_and_the_next_engage_starts_from_there(walk):
    there = walk.to(START + np.array([0, 0.04, 0]), frames=40)
    walk.follower.release()
    np.testing.assert_allclose(walk.to([1.0, 0.5, 1.0], frames=5), there, atol=1e-12)
    assert walk.follower.jumps == 0
    again = walk.to([1.0, 0.54, 1.0], frames=60)
    np.testing.assert_allclose(again[:3] - there[:3], (0, 0, 0.04), atol=1e-9)
