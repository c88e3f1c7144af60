"""A parametric human right hand in WebXR convention: from joint angles to the 25 joint poses a headset would send.

Segment lengths are fractions of the hand length after Buchholz, Armstrong and Goldstein 1992 (Ergonomics 35:261,
"Anthropometric data for describing the kinematics of the human hand"): metacarpal, proximal, middle, distal.
Wrist frame: -Z to the fingers, +Y out of the back of the hand, the thumb at -X.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skin_teleop.messages import N_HAND_JOINTS
from skin_teleop.transforms import Array, quaternion_from_rotation, rotation_about

HAND_LENGTH_M = 0.195
"""Middle of the adult range, 0.17 to 0.21 m."""

FINGER_SEGMENTS = np.array(
    [
        [0.463, 0.245, 0.143, 0.097],
        [0.446, 0.266, 0.170, 0.108],
        [0.421, 0.244, 0.165, 0.107],
        [0.414, 0.204, 0.117, 0.093],
    ]
)
"""(4, 4) index, middle, ring, little: metacarpal, proximal, middle, distal, fractions of the hand length."""
FINGER_FAN_RAD = np.deg2rad([13.0, 1.0, -12.0, -24.0])
"""(4,) direction of the metacarpals in the palm plane, positive to the thumb (a guess: lightly spread fingers)."""
THUMB_SEGMENTS = np.array([0.251, 0.196, 0.158])
THUMB_BASE = np.array([-0.09, -0.06, -0.12])
"""Root of the thumb from the wrist, fractions of the hand length (a guess from a relaxed hand)."""

_X, _Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, slots=True)
class HandShape:
    """Joint angles of a hand, degrees; mixing two shapes interpolates every angle."""

    knuckle: tuple[float, float, float, float] = (5, 5, 5, 5)
    """Flexion of the four knuckles (index, middle, ring, little)."""
    middle: tuple[float, float, float, float] = (5, 5, 5, 5)
    """Flexion of the middle joints."""
    distal: tuple[float, float, float, float] = (3, 3, 3, 3)
    """Flexion of the last joints."""
    spread: float = 0
    """Extra fan of the fingers, positive apart."""
    thumb_yaw: float = 40
    """Thumb away from the fingers, in the plane of the palm."""
    thumb_opposition: float = 20
    """Thumb out of the plane of the palm, towards where it opposes the fingers."""
    thumb_flexion: tuple[float, float] = (10, 10)
    """Flexion of the thumb's two outer joints."""

    def angles(self) -> Array:
        """(17,) all angles in one row."""
        return np.array(
            [
                *self.knuckle,
                *self.middle,
                *self.distal,
                self.spread,
                self.thumb_yaw,
                self.thumb_opposition,
                *self.thumb_flexion,
            ],
            float,
        )


def hand_pose(angles_deg: Array, wrist_position_m: Array, wrist_rotation: Array) -> Array:
    """Poses (25, 7) of the WebXR joints for the angles (17,) of a `HandShape`.

    `wrist_position_m` (3,) and `wrist_rotation` (3, 3) place the wrist in the XR local-floor frame.
    """
    positions = np.zeros((N_HAND_JOINTS, 3))
    rotations = np.broadcast_to(np.eye(3), (N_HAND_JOINTS, 3, 3)).copy()
    angles = np.deg2rad(angles_deg)
    _place_thumb(angles[13:17], positions, rotations)
    for finger in range(4):
        fan = FINGER_FAN_RAD[finger] + angles[12] * (1.5 - finger) / 1.5
        _place_finger(finger, fan, angles[[finger, 4 + finger, 8 + finger]], positions, rotations)
    world_positions = wrist_position_m + positions @ wrist_rotation.T
    return np.concatenate([world_positions, quaternion_from_rotation(wrist_rotation @ rotations)], -1)


def _place_finger(finger: int, fan_rad: float, flexions_rad: Array, positions: Array, rotations: Array) -> None:
    """Metacarpal, proximal, intermediate, distal and tip of one finger, in the wrist frame."""
    first = 5 + 5 * finger
    lengths = FINGER_SEGMENTS[finger] * HAND_LENGTH_M
    straight = rotation_about(_Y, np.asarray(fan_rad))
    positions[first] = straight @ np.array([0, 0, -0.25 * lengths[0]])
    rotations[first] = straight
    positions[first + 1] = straight @ np.array([0, 0, -lengths[0]])
    turn = 0.0
    for step in range(3):
        turn += flexions_rad[step]
        rotations[first + 1 + step] = straight @ rotation_about(_X, np.asarray(-turn))
        bone = rotations[first + 1 + step] @ np.array([0, 0, -lengths[step + 1]])
        positions[first + 2 + step] = positions[first + 1 + step] + bone
    rotations[first + 4] = rotations[first + 3]


def _place_thumb(angles_rad: Array, positions: Array, rotations: Array) -> None:
    """Metacarpal, proximal, distal and tip of the thumb, in the wrist frame.

    Opposition turns the thumb about the hand's long axis, so that flexion closes it against the fingers.
    """
    yaw, opposition, proximal, distal = angles_rad
    lengths = THUMB_SEGMENTS * HAND_LENGTH_M
    root = rotation_about(np.array([0.0, 0.0, 1.0]), opposition) @ rotation_about(_Y, yaw)
    positions[1] = THUMB_BASE * HAND_LENGTH_M
    turn = 0.0
    for step, flexion in enumerate((0.0, proximal, distal)):
        turn += flexion
        rotations[1 + step] = root @ rotation_about(_Y, np.asarray(-turn))
        positions[2 + step] = positions[1 + step] + rotations[1 + step] @ np.array([0, 0, -lengths[step]])
    rotations[4] = rotations[3]
