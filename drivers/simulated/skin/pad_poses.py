"""Where the pads are, from joint positions and the palm's pose: the skin's ambient field without a physics engine."""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.ambient import PadPoses
from skin_teleop.hand import HandModel
from skin_teleop.kinematics import hand_posture
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array, rotation_from_quaternion


def pad_poses(layout: SkinLayout, model: HandModel, q_rad: Array, palm_pose: Array) -> PadPoses:
    """Poses of the pads in the world for joints (16,) rad and a palm pose (7,), m and quaternion xyzw."""
    posture = hand_posture(model, q_rad)
    turn = rotation_from_quaternion(palm_pose[3:])
    rotation, position_m = np.empty((len(layout.pads), 3, 3)), np.empty((len(layout.pads), 3))
    for pad in layout.pads:
        link_turn, link_m = np.eye(3), np.zeros(3)
        if pad.link != "palm":
            link = int(pad.link.removeprefix("link_"))
            link_turn, link_m = posture.link_rotation[link], posture.link_position_m[link]
        rotation[pad.index] = turn @ link_turn @ pad.rotation
        position_m[pad.index] = turn @ (link_turn @ pad.position_m + link_m) + palm_pose[:3]
    return PadPoses(rotation, position_m)
