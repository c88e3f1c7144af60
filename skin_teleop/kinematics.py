"""Forward kinematics of a four-fingered hand and the analytic Jacobian of its fingertips, for any batch shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skin_teleop.hand import HandModel
from skin_teleop.transforms import Array, rotation_about, rotation_from_rpy


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
        return np.swapaxes(np.cross(axes, arms), -1, -2)


def hand_posture(model: HandModel, q_rad: Array) -> HandPosture:
    """Pose of every link for joint positions (..., 16) rad.

    The chain is standard: each joint turns its link about `joint_axis` after the fixed URDF origin transform.
    """
    angles = np.asarray(q_rad, float)
    batch = angles.shape[:-1]
    angles = angles.reshape(*batch, 4, 4)
    fixed = rotation_from_rpy(model.joint_rpy_rad)
    turn = rotation_about(np.broadcast_to(model.joint_axis, (*batch, 4, 4, 3)), angles)
    rotation = np.broadcast_to(np.eye(3), (*batch, 4, 3, 3))
    position = np.zeros((*batch, 4, 3))
    rotations, positions, axes = [], [], []
    for j in range(4):
        position = position + (rotation @ model.joint_xyz_m[:, j, :, None])[..., 0]
        rotation = rotation @ fixed[:, j] @ turn[..., j, :, :]
        rotations.append(rotation)
        positions.append(position)
        axes.append((rotation @ model.joint_axis[:, j, :, None])[..., 0])
    tips = position + (rotation @ model.tip_xyz_m[:, :, None])[..., 0]
    return HandPosture(
        np.stack(rotations, -3).reshape(*batch, 16, 3, 3),
        np.stack(positions, -2).reshape(*batch, 16, 3),
        tips,
        np.stack(axes, -2).reshape(*batch, 16, 3),
    )
