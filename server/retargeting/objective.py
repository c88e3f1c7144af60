"""What a robot posture is asked to be: its fingertips where the human's are, its bones alike, its joints at ease.

For each finger, cost = |tip error|^2 + bone_weight_m^2 |bone direction error|^2 + sum_j rest_weight_m_j^2 (q - rest)^2.
The last two terms are weak: they choose among the postures that put the fingertip in the same place (four joints,
three coordinates) and, because they look at no earlier frame, the same hand gives the same joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.retargeting.human_hand import HumanHand
from skin_teleop.hand import FINGERS, WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.kinematics import cross, hand_posture
from skin_teleop.transforms import Array

BONE_WEIGHT_M = 0.004
"""A bone that points 1 rad astray weighs as much as a fingertip that is 4 mm off."""
REST_WEIGHT_M = 0.0015
"""A joint 1 rad from rest weighs as much as a fingertip that is 1.5 mm off."""
ABDUCTION_WEIGHT_M = 0.006
"""The same for a finger's abduction, which a straight finger leaves open and which would flip from side to side."""
ROBOT_WRIST_IN_PALM_M = np.array([0.0, 0.0, -WRIST_TO_PALM_Z_M])
REST_RAD = {
    "index": (0.0, 0.5, 0.6, 0.5),
    "middle": (0.0, 0.5, 0.6, 0.5),
    "ring": (0.0, 0.5, 0.6, 0.5),
    "thumb": (0.9, 0.4, 0.3, 0.5),
}
"""A relaxed hand, rad, from the joint at the base (abduction; thumb: opposition) to the last."""

_REST_RAD = np.array([REST_RAD[finger] for finger in FINGERS])
_FIRST_WEIGHT_M = {finger: REST_WEIGHT_M if finger == "thumb" else ABDUCTION_WEIGHT_M for finger in FINGERS}
_REST_WEIGHT_M2 = np.array([[_FIRST_WEIGHT_M[finger], *[REST_WEIGHT_M] * 3] for finger in FINGERS]) ** 2
_REST_CURVATURE_M2 = _REST_WEIGHT_M2[..., None] * np.eye(4)
_BONE_LINK = 2
"""Link of each finger, counted from the base, that carries the last joint; it points along its own z."""
_INNER_FIRST = np.triu(np.ones((4, 4), bool))


@dataclass(frozen=True, slots=True, eq=False)
class Quadratic:
    """The cost of each finger around one posture, to second order; leading dimensions are the batch."""

    cost_m2: Array
    """(..., 4)."""
    gradient: Array
    """(..., 4, 4) half the derivative of the cost by the joints, m^2/rad."""
    curvature: Array
    """(..., 4, 4, 4) half its Hessian, m^2/rad^2; not positive definite where a far target bends it."""
    tip_error_m: Array
    """(..., 4) distance of each fingertip from where it should be."""


@dataclass(frozen=True, slots=True, eq=False)
class Imitation:
    """The objective of one frame."""

    model: HandModel
    tip_target_m: Array
    """(4, 3) wrist to fingertip, robot size, palm axes."""
    bone_direction: Array
    """(4, 3) unit, palm axes."""

    @classmethod
    def of(cls, hand: HumanHand, model: HandModel, scale: float) -> Imitation:
        """Ask `model` to imitate `hand`, its fingertip vectors multiplied by `scale`."""
        return cls(model, hand.tip_m * scale, hand.bone_direction)

    def around(self, q_rad: Array) -> Quadratic:
        """The cost and its derivatives at joints (..., 4, 4) rad, finger by joint, for any batch of postures."""
        batch = q_rad.shape[:-2]
        posture = hand_posture(self.model, q_rad.reshape(*batch, 16))
        axes = posture.joint_axis.reshape(*batch, 4, 4, 3)
        tip_error = posture.tip_position_m - ROBOT_WRIST_IN_PALM_M - self.tip_target_m  # (..., 4, 3)
        tip_by_joint = posture.tip_jacobian()  # (..., 4, 3, 4)
        bone = posture.link_rotation.reshape(*batch, 4, 4, 3, 3)[..., _BONE_LINK, :, 2]  # (..., 4, 3)
        bone_error = BONE_WEIGHT_M * (bone - self.bone_direction)
        bone_by_joint = BONE_WEIGHT_M * cross(axes, bone[..., None, :]).swapaxes(-1, -2)  # (..., 4, 3, 4)
        bone_by_joint[..., _BONE_LINK + 1 :] = 0.0
        from_rest = q_rad - _REST_RAD
        error = np.concatenate([tip_error, bone_error], -1)  # (..., 4, 6)
        by_error = np.concatenate([tip_by_joint, bone_by_joint], -2).swapaxes(-1, -2)  # (..., 4, 4, 6)
        bend = _bend(tip_error, axes, tip_by_joint) + _bend(bone_error, axes, bone_by_joint)
        return Quadratic(
            cost_m2=np.square(error).sum(-1) + (_REST_WEIGHT_M2 * np.square(from_rest)).sum(-1),
            gradient=(by_error @ error[..., None])[..., 0] + _REST_WEIGHT_M2 * from_rest,
            curvature=by_error @ by_error.swapaxes(-1, -2) + bend + _REST_CURVATURE_M2,
            tip_error_m=np.sqrt(np.square(tip_error).sum(-1)),
        )


def _bend(error: Array, axes: Array, by_joint: Array) -> Array:
    """(..., 4, 4, 4) an error times the second derivative of its vector, which is axis_i x column_j for i <= j.

    Without it Gauss-Newton converges only linearly where a target is out of reach, as the human thumb's often is.
    """
    product = cross(error[..., None, :], axes) @ by_joint
    return np.where(_INNER_FIRST, product, product.swapaxes(-1, -2))
