"""The operator's hand as the retargeting sees it: which of the 25 WebXR joints count, and whether they can be a hand.

WebXR joint order (immersive-web/webxr-hand-input): 0 wrist, 1-4 thumb, 5-9 index, 10-14 middle, 15-19 ring, 20-24
pinky, each from the metacarpal to the tip. In the WebXR wrist frame -Z points to the fingers and +Y out of the back
of the hand; the thumb of a right hand is at -X. The operator frame is the robot palm's: x out of the palm, y to the
thumb side, z from the wrist to the fingers (the convention of dex-retargeting, GeoRT and the Allegro URDF).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from skin_teleop.hand import FINGERS
from skin_teleop.transforms import Array

Handedness = Literal["left", "right"]

WRIST = 0
TIP_JOINT = {"thumb": 4, "index": 9, "middle": 14, "ring": 19}
BONE_JOINTS = {"thumb": (1, 2, 3, 4), "index": (6, 7, 8, 9), "middle": (11, 12, 13, 14), "ring": (16, 17, 18, 19)}
"""Joints along the three outer bones, the human counterparts of the robot's three outer links; no metacarpal of a
finger is among them, because headsets make those up."""
WEBXR_WRIST_TO_OPERATOR = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""p_operator = (-y, -x, -z) of the WebXR wrist frame: a proper rotation and its own inverse."""

MAX_BONE_M = 0.2
"""No human bone, wrist to metacarpal included, comes near this; a longer one is a tracking fault."""
TIP_REACH_M = (0.02, 0.3)
"""Nearest and farthest fingertip from the wrist: a fist brings a tip to about 4 cm, a large hand reaches 22 cm."""

INDEX_KNUCKLE, LITTLE_KNUCKLE = 6, 21
WRONG_SIDE_M = 0.015
"""Knuckles lie 5 to 7 cm apart across the palm; less than this may be a clumsy wrist frame."""

_METACARPALS = (0, 1, 5, 10, 15, 20)
_PARENTS = np.array([WRIST if joint in _METACARPALS else joint - 1 for joint in range(25)])
_TIPS = np.array([TIP_JOINT[finger] for finger in FINGERS])


def tracking_fault(keypoints_m: Array) -> str:
    """Why joints (25, 3) m cannot be a human hand, or an empty text when they can."""
    if not np.isfinite(keypoints_m).all():
        return "a joint is not a finite number"
    points = np.asarray(keypoints_m, float)
    longest = float(np.linalg.norm(points - points[_PARENTS], axis=-1).max())
    if longest > MAX_BONE_M:
        return f"a bone is {longest:.3f} m long, at most {MAX_BONE_M} m is human"
    reach = np.linalg.norm(points[_TIPS] - points[WRIST], axis=-1)
    if reach.min() < TIP_REACH_M[0] or reach.max() > TIP_REACH_M[1]:
        return f"fingertips are {reach.min():.3f} to {reach.max():.3f} m from the wrist, {TIP_REACH_M} m is human"
    return ""


def wrong_side(keypoints_m: Array, wrist_rotation: Array, hand: Handedness) -> bool:
    """Whether the index knuckle lies well on the little finger's side: the other hand's joints, or a wrong wrist."""
    across = (np.asarray(keypoints_m, float)[LITTLE_KNUCKLE] - keypoints_m[INDEX_KNUCKLE]) @ wrist_rotation
    return bool((across[0] if hand == "right" else -across[0]) <= -WRONG_SIDE_M)


def wrist_tips_m(keypoints_m: Array, wrist_rotation: Array) -> Array:
    """(4, 3) fingertips in the wrist frame for keypoints (25, 3) m and rotation (3, 3) in one reference space."""
    tips: Array = (np.asarray(keypoints_m, float)[_TIPS] - keypoints_m[WRIST]) @ wrist_rotation
    return tips
