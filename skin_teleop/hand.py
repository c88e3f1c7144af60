"""The Wonik Allegro hand in numbers: joints, limits, masses, collision boxes. One table a model.

Source of the V4 right table: Wonikrobotics-git/allegro_hand_ros_v4, `allegro_hand_description_right.urdf` (BSD
headers). The height of finger joint 1 depends on what is mounted: 0.0164 m on the bare hand, 0.0204 m with the XELA
skin kit (mpan31415/official_xela_models, numbers only). Frame `palm` is the URDF's palm_link: x out of the palm,
y to the thumb side of a right hand, z from the wrist to the fingers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from skin_teleop.errors import ConfigError
from skin_teleop.transforms import Array

FINGERS = ("index", "middle", "ring", "thumb")
JOINT_NAMES = tuple(f"joint_{k}" for k in range(16))
LINK_NAMES = tuple(f"link_{k}" for k in range(16))
BARE_FINGER_JOINT1_Z_M = 0.0164
SKIN_KIT_FINGER_JOINT1_Z_M = 0.0204
TIP_RADIUS_M = 0.012
WRIST_TO_PALM_Z_M = 0.095
"""The URDF's wrist frame lies this far below palm_link along -z."""

_DEG = np.pi / 180


@dataclass(frozen=True, eq=False)
class HandModel:
    """A four-fingered hand of sixteen joints; arrays are ordered finger (4) by joint (4), proximal to distal."""

    name: str
    joint_xyz_m: Array
    """(4, 4, 3) origin of each joint in its parent link, m."""
    joint_rpy_rad: Array
    """(4, 4, 3) fixed-axis roll, pitch, yaw of each joint in its parent link, rad."""
    joint_axis: Array
    """(4, 4, 3) unit axis of each joint in its own frame."""
    tip_xyz_m: Array
    """(4, 3) end of the fingertip in the last link, m."""
    lower_rad: Array
    """(16,) lower joint limits, rad."""
    upper_rad: Array
    """(16,) upper joint limits, rad."""
    link_mass_kg: Array
    """(16,) link masses without the tips, kg."""
    tip_mass_kg: float
    palm_mass_kg: float
    link_box_size_m: Array
    """(16, 3) full size of each link's collision box, m."""
    link_box_centre_m: Array
    """(16, 3) centre of that box in the link frame, m."""
    palm_box_size_m: Array
    palm_box_centre_m: Array

    def clamp(self, q_rad: Array) -> Array:
        """Joint positions (..., 16) rad moved into the limits."""
        return np.clip(q_rad, self.lower_rad, self.upper_rad)


def _v4_right(finger_joint1_z_m: float) -> HandModel:
    root_y, root_z, tilt = 0.0435, -0.001542, 5 * _DEG
    finger_lengths = [[0, 0, finger_joint1_z_m], [0, 0, 0.054], [0, 0, 0.0384]]
    xyz = [
        [[0, root_y, root_z], *finger_lengths],
        [[0, 0, 0.0007], *finger_lengths],
        [[0, -root_y, root_z], *finger_lengths],
        [[-0.0182, 0.019333, -0.045987], [-0.027, 0.005, 0.0399], [0, 0, 0.0177], [0, 0, 0.0514]],
    ]
    rpy = np.zeros((4, 4, 3))
    rpy[0, 0], rpy[2, 0], rpy[3, 0] = [-tilt, 0, 0], [tilt, 0, 0], [0, -95 * _DEG, -90 * _DEG]
    finger_axes = [[0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
    axes = [finger_axes] * 3 + [[[-1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]]
    lengths = [finger_joint1_z_m, 0.054, 0.0384, 0.0267]
    thumb_lengths = [0.0455, 0.0177, 0.0514, 0.0423]
    finger_sizes = [[0.0196, 0.0275, length] for length in lengths]
    thumb_sizes = [[0.0358, 0.034, 0.0455]] + [[0.0196, 0.0275, length] for length in thumb_lengths[1:]]
    thumb_centres = [[-0.0179, 0.009, 0.0145]] + [[0, 0, length / 2] for length in thumb_lengths[1:]]
    return HandModel(
        name="allegro_v4_right",
        joint_xyz_m=np.array(xyz, float),
        joint_rpy_rad=rpy,
        joint_axis=np.array(axes, float),
        tip_xyz_m=np.array([[0, 0, 0.0267]] * 3 + [[0, 0, 0.0423]]),
        lower_rad=np.array([-0.47, -0.196, -0.174, -0.227] * 3 + [0.263, -0.105, -0.189, -0.162]),
        upper_rad=np.array([0.47, 1.61, 1.709, 1.618] * 3 + [1.396, 1.163, 1.644, 1.719]),
        link_mass_kg=np.array([0.0119, 0.065, 0.0355, 0.0096] * 3 + [0.0176, 0.0119, 0.038, 0.0388]),
        tip_mass_kg=0.0168,
        palm_mass_kg=0.4154,
        link_box_size_m=np.array(finger_sizes * 3 + thumb_sizes),
        link_box_centre_m=np.array([[0, 0, length / 2] for length in lengths] * 3 + thumb_centres, float),
        palm_box_size_m=np.array([0.0408, 0.113, 0.095]),
        palm_box_centre_m=np.array([-0.0093, 0, -0.0475]),
    )


_MODELS = {"allegro_v4_right": _v4_right}


@functools.cache
def hand_model(name: str, finger_joint1_z_m: float = SKIN_KIT_FINGER_JOINT1_Z_M) -> HandModel:
    """The table of a hand by name; raises ConfigError for an unknown one.

    `finger_joint1_z_m` is the height of joints 1, 5 and 9 above their parents (m).
    """
    if name not in _MODELS:
        raise ConfigError(f"hand model {name!r} was asked for", allowed=", ".join(sorted(_MODELS)))
    return _MODELS[name](finger_joint1_z_m)
