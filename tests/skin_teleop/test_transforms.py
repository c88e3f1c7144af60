from __future__ import annotations

import numpy as np
import pytest

from skin_teleop.transforms import (
    pose_from,
    quaternion_from_rotation,
    rotation_about,
    rotation_from_quaternion,
    rotation_from_rpy,
)

QUARTER = np.pi / 2


def random_quaternions(*shape):
    q = np.random.default_rng(0).normal(size=(*shape, 4))
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return q * np.sign(q[..., 3:])


def test_quaternions_come_back_from_their_rotations_in_any_shape():
    for shape in ((), (0,), (7,), (2, 3)):
        q = random_quaternions(*shape)
        rotation = rotation_from_quaternion(q)
        assert rotation.shape == (*shape, 3, 3)
        np.testing.assert_allclose(quaternion_from_rotation(rotation), q, atol=1e-14)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_turns_and_what_is_next_to_them_have_a_well_conditioned_quaternion(axis):
    for angle in (np.pi, np.pi - 1e-9, np.pi + 1e-9, 1e-9, 0.0):
        q = quaternion_from_rotation(rotation_about(axis, angle))
        assert q[3] >= 0 and np.linalg.norm(q) == pytest.approx(1, abs=1e-15)
        np.testing.assert_allclose(rotation_from_quaternion(q), rotation_about(axis, angle), atol=1e-14)


def test_turns_about_the_axes_are_right_handed():
    x, y, z = np.eye(3)
    np.testing.assert_allclose(rotation_about(z, QUARTER) @ x, y, atol=1e-15)
    np.testing.assert_allclose(rotation_from_quaternion([0, 0, 2, 2]) @ x, y, atol=1e-15)
    np.testing.assert_allclose(rotation_from_rpy([0, QUARTER, 0]) @ z, x, atol=1e-15)
    np.testing.assert_allclose(quaternion_from_rotation(rotation_about(x, QUARTER)), np.sqrt([0.5, 0, 0, 0.5]))


def test_roll_comes_before_pitch_before_yaw():
    roll, pitch, yaw = 0.3, -0.7, 2.0
    x, y, z = np.eye(3)
    turned = rotation_about(z, yaw) @ rotation_about(y, pitch) @ rotation_about(x, roll)
    np.testing.assert_allclose(rotation_from_rpy([roll, pitch, yaw]), turned, atol=1e-15)
    np.testing.assert_allclose(rotation_from_rpy([[0, 0, 0], [roll, pitch, yaw]])[1], turned, atol=1e-15)


def test_a_pose_is_its_position_and_quaternion():
    np.testing.assert_allclose(pose_from([1, 2, 3], np.eye(3)), [1, 2, 3, 0, 0, 0, 1])
