"""The least-squares problem of one frame: targets and weights for the solver, from this frame alone.

`native/imitation.h` fills the same record; this numpy version is its reference.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from server.retargeting.hand_body import THUMB
from server.retargeting.human_hand import BONE_JOINTS, TIP_JOINT
from server.retargeting.tuning import Tuning
from skin_teleop.hand import FINGERS
from skin_teleop.transforms import Array

IMITATION = np.dtype(
    [
        ("tip_m", "f8", (4, 3)),  # palm to fingertip, robot size, palm axes
        ("tip_weight", "f8", (4,)),
        ("bone", "f8", (4, 3, 3)),  # unit directions of three bones a finger, palm axes
        ("bone_weight_m", "f8", (4, 3)),
        ("rest_rad", "f8", (16,)),
        ("rest_weight_m", "f8", (16,)),
        ("pinch_gap_m", "f8", (3,)),  # wanted gap between the surfaces of each fingertip and the thumb's
        ("pinch_weight", "f8", (3,)),
        ("apart_margin_m", "f8", (3,)),  # distance that each fingertip keeps from the thumb's
        ("margin_m", "f8"),  # distance that every other pair keeps
        ("pair_weight", "f8"),
        ("box_weight", "f8"),  # of the depth of the real shapes; 0 until the projection
        ("box_depth_m", "f8"),  # depth that costs nothing
    ]
)
REST_RAD = {
    "index": (0.0, 0.5, 0.6, 0.5),
    "middle": (0.0, 0.5, 0.6, 0.5),
    "ring": (0.0, 0.5, 0.6, 0.5),
    "thumb": (0.9, 0.4, 0.3, 0.5),
}
"""A relaxed right hand, rad, from the joint at the base (abduction; thumb: opposition) to the last."""
_TIPS = np.array([TIP_JOINT[finger] for finger in FINGERS])
_BONES = np.array([BONE_JOINTS[finger] for finger in FINGERS])


def imitation_of(points_m: Array, scale: Array, wrist_in_palm_z_m: float, rest_rad: Array, tuning: Tuning) -> Array:
    """The `IMITATION` record for a hand (25, 3) m, wrist at 0, operator frame; fingertips times `scale` (4,)."""
    tips = points_m[_TIPS]
    distance = np.linalg.norm(tips[:THUMB] - tips[THUMB], axis=-1)
    share = pinch_shares(distance, tuning)
    less = np.append(1 - share * (1 - tuning.pinch_tip_weight), 1.0)  # (4,)
    bones = np.diff(points_m[_BONES], axis=1)
    asked = np.zeros(1, IMITATION)[0]
    asked["tip_m"] = tips * scale[:, None] + [0.0, 0.0, wrist_in_palm_z_m]
    asked["tip_weight"] = less * np.where(np.arange(4) == THUMB, tuning.thumb_weight, tuning.tip_weight)
    asked["bone"] = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
    weights = (tuning.proximal_weight_m, tuning.middle_weight_m, tuning.distal_weight_m)
    asked["bone_weight_m"] = less[:, None] * np.array(weights)
    asked["rest_rad"] = rest_rad
    asked["rest_weight_m"] = tuning.rest_weight_m
    asked["rest_weight_m"][: 4 * THUMB : 4] = tuning.abduction_weight_m
    asked["pinch_gap_m"] = tuning.pinch_gap_m + tuning.pinch_gap_per_m * np.maximum(distance - tuning.pinch_near_m, 0)
    asked["pinch_weight"] = tuning.pinch_weight * share
    asked["apart_margin_m"] = tuning.apart_margin_m * (1 - share)
    asked["margin_m"], asked["pair_weight"] = tuning.margin_m, tuning.collision_weight
    asked["box_depth_m"] = tuning.box_depth_m
    return cast(Array, asked)


def pinch_shares(distance_m: Array, tuning: Tuning) -> Array:
    """How much fingers at these distances from the thumb are pinching, 0 to 1 without a step."""
    near = np.clip((tuning.pinch_far_m - distance_m) / (tuning.pinch_far_m - tuning.pinch_near_m), 0.0, 1.0)
    eased: Array = near * near * (3 - 2 * near)
    return eased
