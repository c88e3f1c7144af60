"""A plug to be grasped and a socket that is fixed on the table: a square peg under a handle, and a hole for it.

The plug stands in a loose rack in front of the palm. Its frame is in the middle of the peg's end, z up along the
handle; the socket's frame is in the middle of the hole's mouth, z out of it. How far and how straight the plug is in,
`insertion` reads from `Truth.plug_in_socket`.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from drivers.simulated.scene_object import SceneObject
from skin_teleop.transforms import Array, rotation_from_quaternion

PLUG, SOCKET, RACK = "plug", "socket", "rack"
CLEARANCE_MM = {"loose": 2.0, "medium": 1.0, "tight": 0.4}
"""Guess: room between peg and hole on each side, mm. The solver's contacts give way by some hundredths of that."""
PEG_HALF_M, PEG_LENGTH_M = 0.008, 0.030
"""Guess: half the side of the square peg, and its length."""
HANDLE_RADIUS_M, HANDLE_HALF_M = 0.022, 0.055
"""Guess: a handle as thick as that of a screwdriver, as long as the palm is wide."""
PLUG_MASS_KG = 0.12
RACK_ROOM_MM = 3.0
"""Room in the rack: the plug leans in it by 8 degrees at most."""
WALL_HALF_M, FLOOR_HALF_M = 0.012, 0.004
PLUG_FRICTION = (0.4, 0.003, 0.0001)
"""Guess: smooth plastic on plastic."""
PLUG_SOLREF, PLUG_SOLIMP = (0.004, 1.0), (0.97, 0.995, 0.0002, 0.5, 2.0)
"""Design choice: stiffer than other objects, so that a firm push does not make room that the hole does not have."""
PLUG_START_M, SOCKET_START_M = (-0.115, 0.10, 0.0), (0.02, 0.13, 0.0)
"""Where rack and socket stand on the table: in front of the palm, and a hand's length farther along the fingers."""


def plug_and_socket(fit: str) -> dict[str, SceneObject]:
    """Plug, socket and rack by name, in the order of `Truth.scene_pose`; `fit` is one of `CLEARANCE_MM`."""
    depth_m = PEG_LENGTH_M + 2 * FLOOR_HALF_M
    standing = (*PLUG_START_M[:2], 2 * FLOOR_HALF_M + 0.0005)
    return {
        PLUG: SceneObject(_add_plug, standing),
        SOCKET: SceneObject(_Hole(CLEARANCE_MM[fit]), (*SOCKET_START_M[:2], depth_m), fixed=True),
        RACK: SceneObject(_Hole(RACK_ROOM_MM), (*PLUG_START_M[:2], depth_m), fixed=True),
    }


def _add_plug(body: mujoco.MjsBody) -> None:
    handle_m = PEG_LENGTH_M + HANDLE_HALF_M
    _add_geom(body, body.name, "BOX", (PEG_HALF_M, PEG_HALF_M, PEG_LENGTH_M / 2), (0, 0, PEG_LENGTH_M / 2), 0.2)
    _add_geom(body, f"{body.name}_handle", "CYLINDER", (HANDLE_RADIUS_M, HANDLE_HALF_M, 0), (0, 0, handle_m), 0.8)


@dataclass(frozen=True)
class _Hole:
    """Builds four walls around a square hole, and its floor; the origin is in the middle of the mouth."""

    room_mm: float

    def __call__(self, body: mujoco.MjsBody) -> None:
        inside, depth = PEG_HALF_M + self.room_mm / 1000, PEG_LENGTH_M
        middle, outside = inside + WALL_HALF_M, inside + 2 * WALL_HALF_M
        for k, (x, y) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
            size = (WALL_HALF_M, outside, depth / 2) if x else (inside, WALL_HALF_M, depth / 2)
            name = body.name if k == 0 else f"{body.name}_{k}"
            _add_geom(body, name, "BOX", size, (x * middle, y * middle, -depth / 2), 0.0)
        floor_m = (0, 0, -depth - FLOOR_HALF_M)
        _add_geom(body, f"{body.name}_floor", "BOX", (outside, outside, FLOOR_HALF_M), floor_m, 0.0)


def _add_geom(
    body: mujoco.MjsBody,
    name: str,
    shape: str,
    size_m: tuple[float, float, float],
    place_m: tuple[float, float, float],
    mass_share: float,
) -> None:
    body.add_geom(
        name=name,
        type=getattr(mujoco.mjtGeom, f"mjGEOM_{shape}"),
        size=size_m,
        pos=place_m,
        mass=mass_share * PLUG_MASS_KG,
        friction=PLUG_FRICTION,
        solref=PLUG_SOLREF,
        solimp=PLUG_SOLIMP,
        rgba=(0.80, 0.52, 0.25, 1) if mass_share else (0.30, 0.34, 0.40, 1),
    )


@dataclass(frozen=True)
class Insertion:
    """How a plug is in its socket; arrays of any batch shape."""

    depth_m: Array
    """How deep the peg's end is below the mouth; 0 outside the hole and above it."""
    off_axis_m: Array
    """Distance of the peg's end from the hole's axis."""
    tilt_rad: Array
    """Angle between the axes of plug and hole."""
    twist_rad: Array
    """Turn of the square peg about the hole's axis, -45 to 45 degrees."""


def insertion(plug_in_socket: Array) -> Insertion:
    """Read an insertion from poses (..., 7) of the plug in the socket's frame, m and quaternion xyzw."""
    place, turn = plug_in_socket[..., :3], rotation_from_quaternion(plug_in_socket[..., 3:])
    off_axis = np.linalg.norm(place[..., :2], axis=-1)
    inside = np.abs(place[..., :2]).max(-1) < PEG_HALF_M
    quarter = np.pi / 2
    twist = (np.arctan2(turn[..., 1, 0], turn[..., 0, 0]) + quarter / 2) % quarter - quarter / 2
    tilt = np.arccos(np.clip(turn[..., 2, 2], -1, 1))
    return Insertion(np.where(inside, np.maximum(0, -place[..., 2]), 0.0), off_axis, tilt, twist)
