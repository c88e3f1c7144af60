"""Rotations and poses. Quaternions are xyzw; `transform_a_to_b` maps coordinates given in a to coordinates in b."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def rotation_from_rpy(rpy_rad: npt.ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) from fixed-axis roll, pitch, yaw (..., 3) rad, as in URDF: Rz(y) Ry(p) Rx(r)."""
    roll, pitch, yaw = np.moveaxis(np.asarray(rpy_rad, float), -1, 0)
    cr, sr, cp, sp, cy, sy = (
        np.cos(roll),
        np.sin(roll),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(yaw),
        np.sin(yaw),
    )
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rotation_about(axis: npt.ArrayLike, angle_rad: npt.ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) about unit axes (..., 3) by angles (...), by Rodrigues' formula."""
    unit, angle = np.asarray(axis, float), np.asarray(angle_rad, float)[..., None, None]
    x, y, z = np.moveaxis(unit, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
    turned: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def rotation_from_quaternion(quaternion_xyzw: npt.ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) from quaternions (..., 4) xyzw of any non-zero length."""
    q = np.asarray(quaternion_xyzw, float)
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def quaternion_from_rotation(rotation: npt.ArrayLike) -> Array:
    """Quaternions (..., 4) xyzw with w >= 0 from rotation matrices (..., 3, 3).

    Takes the largest of the four components first, so it is well conditioned for every rotation.
    """
    m = np.asarray(rotation, float)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a, b, c = m[..., 2, 1], m[..., 0, 2], m[..., 1, 0]
    d, e, f = m[..., 1, 2], m[..., 2, 0], m[..., 0, 1]
    candidates = np.stack(
        [
            np.stack([1 + xx - yy - zz, c + f, b + e, a - d], -1),
            np.stack([c + f, 1 - xx + yy - zz, a + d, b - e], -1),
            np.stack([b + e, a + d, 1 - xx - yy + zz, c - f], -1),
            np.stack([a - d, b - e, c - f, 1 + xx + yy + zz], -1),
        ],
        -2,
    )
    best = np.argmax(np.stack([xx - yy - zz, yy - xx - zz, zz - xx - yy, xx + yy + zz], -1), -1)
    q = np.take_along_axis(candidates, best[..., None, None], -2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    upright: Array = np.where(q[..., 3:] < 0, -q, q)
    return upright


def pose_from(position_m: npt.ArrayLike, rotation: npt.ArrayLike) -> Array:
    """Pose (..., 7) as position and quaternion xyzw."""
    return np.concatenate([np.asarray(position_m, float), quaternion_from_rotation(rotation)], -1)
