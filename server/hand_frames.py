"""Quaternions for recordings that hold joint positions only, after the WebXR convention.

Every joint's -Z points along its bone away from the wrist and its -Y out of the palm side; a fingertip copies the
joint before it; the wrist's -Z points to the middle of the palm (immersive-web/webxr-hand-input). Fingers bend about
the axis across the knuckles, so for them that axis is X; the thumb bends about its own, taken across its first bones.
"""

from __future__ import annotations

import itertools

import numpy as np

from skin_teleop.transforms import Array, quaternion_from_rotation

WRIST, INDEX_KNUCKLE, MIDDLE_KNUCKLE, PINKY_KNUCKLE = 0, 6, 11, 21
CHAINS = ((1, 2, 3, 4), *(tuple(range(first, first + 5)) for first in (5, 10, 15, 20)))
SHORTEST_M = 1e-6


def right_hand_quaternions(keypoints_m: Array) -> Array:
    """Quaternions xyzw (T, 25, 4) of a right hand's joints (T, 25, 3) m; NaN rows where the hand is degenerate."""
    points = np.asarray(keypoints_m, float)
    across = points[:, PINKY_KNUCKLE] - points[:, INDEX_KNUCKLE]  # (T, 3), +X of a right hand
    backward = points[:, WRIST] - points[:, MIDDLE_KNUCKLE]  # (T, 3), +Z
    wrist = _frame(backward, across)
    axes = np.empty((*points.shape, 3))  # (T, 25, 3, 3)
    axes[:, WRIST] = wrist
    thumb_across = _thumb_axis(wrist)
    for chain in CHAINS:
        sideways = thumb_across if chain == CHAINS[0] else wrist[..., 0]
        for joint, following in itertools.pairwise(chain):
            axes[:, joint] = _frame(points[:, joint] - points[:, following], sideways)
        axes[:, chain[-1]] = axes[:, chain[-2]]
    usable = np.isfinite(axes).all((1, 2, 3))
    quaternions = np.full((*points.shape[:2], 4), np.nan)
    quaternions[usable] = quaternion_from_rotation(axes[usable])
    return quaternions


def mirrored_hand(pose: Array) -> Array:
    """A hand (25, 7), m and quaternion xyzw, XR local-floor, as the other hand in a mirror at x = 0.

    Every joint's frame M R M, M = diag(-1, 1, 1), keeps the convention: -Z along the bone, -Y out of the palm.
    """
    mirrored: Array = pose * np.array([-1, 1, 1, 1, -1, -1, 1], pose.dtype)
    return mirrored


def _frame(backward: Array, sideways: Array) -> Array:
    """Rotations (T, 3, 3) with Z along `backward` and X as near to `sideways` as that allows; NaN if they align."""
    z = _unit(backward)
    y = _unit(np.cross(z, sideways))
    return np.stack([np.cross(y, z), y, z], -1)


def _thumb_axis(wrist: Array) -> Array:
    """(T, 3) axis the thumb bends about: half way between across the palm and out of its back.

    A relaxed thumb's nail faces up and away from the fingers, 45 degrees between the wrist frame's -X and +Y.
    """
    return _unit(wrist[..., 0] + wrist[..., 1])


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Array = np.where(length > SHORTEST_M, vectors, np.nan) / np.maximum(length, SHORTEST_M)
    return unit
