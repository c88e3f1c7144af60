"""What a robot posture is asked to be: its fingertips where the human's are, its bones alike, its joints at ease.

For each finger, cost = |tip error|^2 + bone_weight_m^2 |bone direction error|^2 + rest_weight_m^2 |q - rest|^2. The
last two terms are weak: they choose among the postures that put the fingertip in the same place (four joints, three
coordinates) and, because they look at no earlier frame, the same hand always gives the same joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.retargeting.human_hand import HumanHand
from skin_teleop.hand import WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.kinematics import cross, hand_posture
from skin_teleop.transforms import Array

BONE_WEIGHT_M = 0.004
"""A bone that points 1 rad astray weighs as much as a fingertip that is 4 mm off."""
REST_WEIGHT_M = 0.0015
"""A joint 1 rad from rest weighs as much as a fingertip that is 1.5 mm off."""
ROBOT_WRIST_IN_PALM_M = np.array([0.0, 0.0, -WRIST_TO_PALM_Z_M])

_BONE_LINK = 2
"""Link of each finger, counted from the base, that carries the last joint; it points along its own z."""


@dataclass(frozen=True, slots=True, eq=False)
class Quadratic:
    """The cost of each finger around one posture, by Gauss and Newton."""

    cost: Array
    """(4,) m^2."""
    gradient: Array
    """(4, 4) half the derivative of the cost by the joints."""
    curvature: Array
    """(4, 4, 4) Jacobian transposed times Jacobian, terms of all three kinds."""
    tip_error_m: Array
    """(4,) distance of each fingertip from where it should be."""


@dataclass(frozen=True, slots=True, eq=False)
class Imitation:
    """The objective of one frame."""

    model: HandModel
    tip_target_m: Array
    """(4, 3) wrist to fingertip, robot size, palm axes."""
    bone_direction: Array
    """(4, 3) unit."""
    rest_rad: Array
    """(4, 4) natural posture."""

    @classmethod
    def of(cls, hand: HumanHand, model: HandModel, scale: float, rest_rad: Array) -> Imitation:
        """Ask `model` to imitate `hand`, its fingertip vectors multiplied by `scale`."""
        return cls(model, hand.tip_m * scale, hand.bone_direction, rest_rad)

    def around(self, q_rad: Array) -> Quadratic:
        """The cost and its derivatives at joints (4, 4) rad, finger by joint."""
        posture = hand_posture(self.model, q_rad.reshape(16))
        tip = posture.tip_position_m - ROBOT_WRIST_IN_PALM_M - self.tip_target_m  # (4, 3)
        direction = posture.link_rotation.reshape(4, 4, 3, 3)[:, _BONE_LINK, :, 2]  # (4, 3)
        turning = cross(posture.joint_axis.reshape(4, 4, 3), direction[:, None, :])  # (4 fingers, 4 joints, 3)
        turning[:, _BONE_LINK + 1 :] = 0.0
        residual = np.concatenate([tip, BONE_WEIGHT_M * (direction - self.bone_direction)], -1)  # (4, 6)
        by_joint = np.concatenate([posture.tip_jacobian().swapaxes(1, 2), BONE_WEIGHT_M * turning], -1)  # (4, 4, 6)
        from_rest = q_rad - self.rest_rad
        return Quadratic(
            cost=np.square(residual).sum(-1) + REST_WEIGHT_M**2 * np.square(from_rest).sum(-1),
            gradient=(by_joint @ residual[..., None])[..., 0] + REST_WEIGHT_M**2 * from_rest,
            curvature=by_joint @ by_joint.swapaxes(1, 2) + REST_WEIGHT_M**2 * np.eye(4),
            tip_error_m=np.sqrt(np.square(tip).sum(-1)),
        )
