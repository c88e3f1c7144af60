"""The robot's palm follows the operator's wrist: relative to an anchor, inside a box, at a bounded speed.

The anchor is taken at every engage, so nothing jumps there: from then on the palm moves as the wrist moved since,
starting from where the palm was (at first the rig's home pose).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from skin_teleop.clock import NS_PER_S
from skin_teleop.transforms import (
    Array,
    pose_from,
    quaternion_from_rotation,
    rotation_about,
    rotation_from_rpy,
)

XR_TO_WORLD = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""XR local-floor (Y up, -Z forward) to world (Z up, X forward, Y left): (x, y, z) -> (-z, -x, y)."""
MAX_SPEED_M_PER_S = 1.0
MAX_TURN_RATE_RAD_PER_S = np.pi
MAX_TURN_RAD = np.pi / 2
"""How far the palm may turn away from home."""
RAMP_NS = 300_000_000
"""After an engage or a jump the allowed speed grows from zero over this time."""
JUMP_M, JUMP_RAD = 0.05, float(np.deg2rad(35.0))
"""A wrist that moves farther within one frame was lost and found again (the guard of SpesRobotics/teleop)."""
LONGEST_FRAME_NS = 100_000_000


class WristFollower:
    """Turns wrist poses in XR local-floor into poses of palm_link in the world."""

    def __init__(self, home_m: npt.ArrayLike, home_rpy_deg: npt.ArrayLike, box_m: npt.ArrayLike) -> None:
        self._home_m = np.asarray(home_m, float)
        self._home_rotation = rotation_from_rpy(np.deg2rad(home_rpy_deg))
        self._box_m = np.asarray(box_m, float)
        self._position_m, self._rotation = self._home_m, self._home_rotation
        self._engaged = False
        self.jumps = 0

    @property
    def pose(self) -> Array:
        """(7,) palm_link in the world now, m and quaternion xyzw."""
        return pose_from(self._position_m, self._rotation)

    def release(self) -> None:
        """Stay where the palm is; the next `follow` takes a new anchor."""
        self._engaged = False

    def follow(self, wrist_m: Array, wrist_rotation: Array, t_ns: int) -> None:
        """Move towards where the wrist (3,) m and (3, 3), XR local-floor, asks the palm to be."""
        position, rotation = XR_TO_WORLD @ wrist_m, XR_TO_WORLD @ wrist_rotation @ XR_TO_WORLD.T
        if not self._engaged:
            self._anchor(position, rotation, t_ns)
        elif self._jumped(position, rotation):
            self.jumps += 1
            self._anchor(position, rotation, t_ns)
        self._move(position, rotation, t_ns)
        self._seen_m, self._seen_rotation, self._seen_ns = position, rotation, t_ns

    def _anchor(self, position: Array, rotation: Array, t_ns: int) -> None:
        self._engaged = True
        self._anchor_m, self._anchor_rotation = position, rotation
        self._start_m, self._start_rotation = self._position_m, self._rotation
        self._anchor_ns = self._seen_ns = t_ns

    def _jumped(self, position: Array, rotation: Array) -> bool:
        turned_rad = _angle_rad(rotation @ self._seen_rotation.T)
        return bool(np.linalg.norm(position - self._seen_m) > JUMP_M) or turned_rad > JUMP_RAD

    def _move(self, position: Array, rotation: Array, t_ns: int) -> None:
        ramp = min(1.0, (t_ns - self._anchor_ns) / RAMP_NS)
        seconds = ramp * min(t_ns - self._seen_ns, LONGEST_FRAME_NS) / NS_PER_S
        asked_m = self._start_m + position - self._anchor_m
        asked_m = np.clip(asked_m, self._home_m - self._box_m, self._home_m + self._box_m)
        self._position_m = self._position_m + _shortened(asked_m - self._position_m, MAX_SPEED_M_PER_S * seconds)
        asked_rotation = self._near_home(rotation @ self._anchor_rotation.T @ self._start_rotation)
        turn = _rotation_vector(asked_rotation @ self._rotation.T)
        self._rotation = _rotation(_shortened(turn, MAX_TURN_RATE_RAD_PER_S * seconds)) @ self._rotation

    def _near_home(self, rotation: Array) -> Array:
        away = rotation @ self._home_rotation.T
        if _angle_rad(away) <= MAX_TURN_RAD:
            return rotation
        return _rotation(_shortened(_rotation_vector(away), MAX_TURN_RAD)) @ self._home_rotation


def _shortened(vector: Array, longest: float) -> Array:
    length = float(np.linalg.norm(vector))
    return vector if length <= longest else vector * (longest / length)


def _angle_rad(rotation: Array) -> float:
    return math.acos(min(1.0, max(-1.0, (float(rotation.trace()) - 1) / 2)))


def _rotation_vector(rotation: Array) -> Array:
    """Axis times angle, at most pi rad."""
    quaternion = quaternion_from_rotation(rotation)
    sine = float(np.linalg.norm(quaternion[:3]))
    return quaternion[:3] * (2 * np.arctan2(sine, quaternion[3]) / sine if sine > 1e-9 else 2.0)


def _rotation(rotation_vector: Array) -> Array:
    angle = float(np.linalg.norm(rotation_vector))
    return rotation_about(rotation_vector / angle, angle) if angle > 1e-9 else np.eye(3)
