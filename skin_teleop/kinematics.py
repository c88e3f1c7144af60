"""Forward kinematics of a four-fingered hand and the analytic Jacobian of its fingertips, for any batch shape."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from skin_teleop.hand import HandModel
from skin_teleop.transforms import Array, rotation_from_rpy

_NEXT, _AFTER = np.array([1, 2, 0]), np.array([2, 0, 1])


@dataclass(frozen=True, eq=False)
class HandPosture:
    """Where every link and fingertip is, in the palm frame; leading dimensions are the batch."""

    link_rotation: Array
    """(..., 16, 3, 3) rotation of link_k to palm."""
    link_position_m: Array
    """(..., 16, 3) origin of link_k in palm, m."""
    tip_position_m: Array
    """(..., 4, 3) fingertips index, middle, ring, thumb in palm, m."""
    joint_axis: Array
    """(..., 16, 3) joint axes in palm."""

    def tip_jacobian(self) -> Array:
        """(..., 4, 3, 4) derivative of each fingertip by the four joints of its own finger, m/rad."""
        batch = self.tip_position_m.shape[:-2]
        axes = self.joint_axis.reshape(*batch, 4, 4, 3)
        arms = self.tip_position_m[..., :, None, :] - self.link_position_m.reshape(*batch, 4, 4, 3)
        return np.swapaxes(cross(axes, arms), -1, -2)


def cross(a: Array, b: Array) -> Array:
    """Cross product of (..., 3) arrays; several times faster than np.cross on the few vectors of one hand."""
    product: Array = a[..., _NEXT] * b[..., _AFTER] - a[..., _AFTER] * b[..., _NEXT]
    return product


@functools.lru_cache(maxsize=8)
def joint_transforms(model: HandModel) -> tuple[Array, Array, Array]:
    """Joint transforms (4, 4, 4, 4) as constant + sin(q) * second + (1 - cos(q)) * third, by Rodrigues' formula."""
    fixed = rotation_from_rpy(model.joint_rpy_rad)
    skew = cross(model.joint_axis[..., None, :], np.eye(3)).swapaxes(-1, -2)
    constant, by_sine, by_versine = (np.zeros((4, 4, 4, 4)) for _ in range(3))
    constant[..., :3, :3], constant[..., :3, 3], constant[..., 3, 3] = fixed, model.joint_xyz_m, 1
    by_sine[..., :3, :3] = fixed @ skew
    by_versine[..., :3, :3] = fixed @ skew @ skew
    return constant, by_sine, by_versine


def hand_posture(model: HandModel, q_rad: Array) -> HandPosture:
    """Pose of every link for joint positions (..., 16) rad.

    The chain is standard: each joint turns its link about `joint_axis` after the fixed URDF origin transform.
    """
    angles = np.asarray(q_rad, float)
    batch = angles.shape[:-1]
    angles = angles.reshape(*batch, 4, 4, 1, 1)
    constant, by_sine, by_versine = joint_transforms(model)
    chain: Array = constant + np.sin(angles) * by_sine + (1 - np.cos(angles)) * by_versine  # (..., 4, 4, 4, 4)
    for j in range(1, 4):
        chain[..., j, :, :] = chain[..., j - 1, :, :] @ chain[..., j, :, :]
    rotation, position = chain[..., :3, :3], chain[..., :3, 3]
    tips = position[..., 3, :] + (rotation[..., 3, :, :] @ model.tip_xyz_m[..., None])[..., 0]
    axes = (rotation @ model.joint_axis[..., None])[..., 0]
    return HandPosture(
        rotation.reshape(*batch, 16, 3, 3), position.reshape(*batch, 16, 3), tips, axes.reshape(*batch, 16, 3)
    )
