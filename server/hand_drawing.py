"""The robot hand and its skin as numbers that a page can draw: joints, boxes, limits, taxels. Metres and radians."""

from __future__ import annotations

from typing import Any

import numpy as np

from skin_teleop.hand import hand_model
from skin_teleop.rig import Rig
from skin_teleop.skin_layout import SkinLayout, skin_layout
from skin_teleop.transforms import Array, quaternion_from_rotation, rotation_from_rpy


def _tangents(layout: SkinLayout) -> Array:
    """(368, 3) direction of each taxel's x axis in its link frame: the pad's x axis, laid onto the skin."""
    along: Array = np.stack([layout.pads[pad].rotation[:, 0] for pad in layout.pad_index])
    flat = along - layout.normals * (along * layout.normals).sum(-1, keepdims=True)
    tangents: Array = flat / np.linalg.norm(flat, axis=-1, keepdims=True)
    return tangents


def hand_drawing(rig: Rig) -> dict[str, Any]:
    """Joint chain (4 fingers by 4 joints), collision boxes and taxels of a rig's hand, rounded to micrometres.

    Quaternions are xyzw; a taxel's link is 0 to 15, or -1 for the palm.
    """
    model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
    layout = skin_layout(rig.skin.layout)
    return {
        "joint_xyz_m": model.joint_xyz_m.reshape(16, 3).round(6).tolist(),
        "joint_quaternion": quaternion_from_rotation(rotation_from_rpy(model.joint_rpy_rad)).reshape(16, 4).tolist(),
        "joint_axis": model.joint_axis.reshape(16, 3).tolist(),
        "tip_xyz_m": model.tip_xyz_m.round(6).tolist(),
        "lower_rad": model.lower_rad.tolist(),
        "upper_rad": model.upper_rad.tolist(),
        "link_box_size_m": model.link_box_size_m.round(6).tolist(),
        "link_box_centre_m": model.link_box_centre_m.round(6).tolist(),
        "palm_box_size_m": model.palm_box_size_m.round(6).tolist(),
        "palm_box_centre_m": model.palm_box_centre_m.round(6).tolist(),
        "taxel_link": layout.link_index.tolist(),
        "taxel_pad": layout.pad_index.tolist(),
        "taxel_xyz_m": layout.positions_m[rig.skin.geometry].round(6).tolist(),
        "taxel_normal": layout.normals.round(5).tolist(),
        "taxel_tangent": _tangents(layout).round(5).tolist(),
        "pad_names": [pad.name for pad in layout.pads],
    }
