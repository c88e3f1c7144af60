"""The Wonik Allegro hand in numbers: joints, limits, masses, collision boxes. One table a model.

The numbers are in `tables/allegro_hands.csv`, which names their source. The height of finger joint 1 of a V4 depends on
what is mounted: 0.0164 m on the bare hand, 0.0204 m with the XELA skin kit (mpan31415/official_xela_models, numbers
only). Frame `palm` is the URDF palm_link: x out of the palm, y to the thumb side of a right hand, z from the wrist to
the fingers.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

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
    mirror_sign: Array
    """(16,) +1 or -1, see `mirrored`."""
    mirror_offset_rad: Array
    """(16,) rad, see `mirrored`."""

    def clamp(self, q_rad: Array) -> Array:
        """Joint positions (..., 16) rad moved into the limits."""
        return np.clip(q_rad, self.lower_rad, self.upper_rad)

    def mirrored(self, right_q_rad: Array) -> Array:
        """Joint positions (..., 16) rad of this left hand that mirror those of the right hand of the same kind.

        V4: the abductions 0, 4 and 8 change sign. V5: so does the thumb, and joint 13 counts from half a turn. A
        right hand's own table returns its pose unchanged.
        """
        left_rad: Array = self.mirror_sign * right_q_rad + self.mirror_offset_rad
        return left_rad


_TIP_MASS_KG = {"v4": 0.0168, "v5_a": 0.0014, "v5_b": 0.0017}
"""The URDFs'; type A's give 0 for the fingers, so its thumb tip stands for all."""
_COLUMNS = {
    "joint_xyz_m": ("x_m", "y_m", "z_m"),
    "joint_axis": ("axis_x", "axis_y", "axis_z"),
    "link_box_size_m": ("box_x_m", "box_y_m", "box_z_m"),
    "link_box_centre_m": ("box_centre_x_m", "box_centre_y_m", "box_centre_z_m"),
}
_PALM_BOX_SIZE_M, _PALM_BOX_CENTRE_M = (0.0408, 0.113, 0.095), (-0.0093, 0.0, -0.0475)
"""V4's; V5's URDF gives a mesh and the same mass."""


@functools.cache
def _tables() -> dict[str, list[dict[str, str]]]:
    """Sixteen rows of every model, in joint order."""
    text = (resources.files("skin_teleop") / "tables" / "allegro_hands.csv").read_text()
    models: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        models.setdefault(row["model"], []).append(row)
    return models


def _model(name: str, finger_joint1_z_m: float | None) -> HandModel:
    rows = _tables()[name]

    def numbers(*columns: str) -> Array:
        return np.array([[float(row[c]) for c in columns] for row in rows])

    groups = {field: numbers(*columns) for field, columns in _COLUMNS.items()}
    if finger_joint1_z_m is not None:
        groups["joint_xyz_m"][[1, 5, 9], 2] = finger_joint1_z_m
        groups["link_box_size_m"][[0, 4, 8], 2] = finger_joint1_z_m
        groups["link_box_centre_m"][[0, 4, 8], 2] = finger_joint1_z_m / 2
    chain = {field: groups[field].reshape(4, 4, 3) for field in ("joint_xyz_m", "joint_axis")}
    boxes = {field: groups[field] for field in ("link_box_size_m", "link_box_centre_m")}
    return HandModel(
        name=name,
        joint_rpy_rad=np.deg2rad(numbers("roll_deg", "pitch_deg", "yaw_deg")).reshape(4, 4, 3),
        tip_xyz_m=np.array([[0, 0, float(row["tip_z_m"])] for row in rows[3::4]]),
        lower_rad=numbers("lower_rad")[:, 0],
        upper_rad=numbers("upper_rad")[:, 0],
        link_mass_kg=numbers("mass_kg")[:, 0],
        tip_mass_kg=_TIP_MASS_KG["v4" if is_v4(name) else f"v5_{name[-1]}"],
        palm_mass_kg=0.4154,
        palm_box_size_m=np.array(_PALM_BOX_SIZE_M),
        palm_box_centre_m=np.array(_PALM_BOX_CENTRE_M),
        mirror_sign=numbers("mirror_sign")[:, 0],
        mirror_offset_rad=np.deg2rad(numbers("mirror_offset_deg"))[:, 0],
        **chain,
        **boxes,
    )


HAND_MODELS = tuple(_tables())
"""Names of all models: V4 right and left, V5 right and left of type A and of type B (the geared "Plus")."""


def is_v4(name: str) -> bool:
    """Whether a model is an Allegro V4; else it is a V5."""
    return name.startswith("allegro_v4")


def is_left(name: str) -> bool:
    """Whether a model is a left hand, the mirror image of the right one in the palm's y."""
    return "_left" in name


@functools.cache
def hand_model(name: str, finger_joint1_z_m: float | None = None) -> HandModel:
    """The table of a hand by name; raises ConfigError for an unknown one.

    `finger_joint1_z_m` is the height of joints 1, 5 and 9 above their parents (m). None takes a V4 with the skin kit
    and a V5 as its URDF has it, since no figure of a V5 kit is public.
    """
    if name not in HAND_MODELS:
        raise ConfigError(f"hand model {name!r} was asked for", allowed=", ".join(HAND_MODELS))
    if finger_joint1_z_m is None and is_v4(name):
        return _model(name, SKIN_KIT_FINGER_JOINT1_Z_M)
    return _model(name, finger_joint1_z_m)
