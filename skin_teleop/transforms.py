"""Rotations and poses. Quaternions are xyzw; `transform_a_to_b` maps coordinates given in a to coordinates in b."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_PRODUCTS_OF_UPRIGHT = np.eye(4).ravel()
_XX, _XY, _XZ, _YX, _YY, _YZ, _ZX, _ZY, _ZZ = np.eye(9)
_PRODUCTS_FROM_ROTATION = (
    np.array(
        [
            [_XX - _YY - _ZZ, _XY + _YX, _XZ + _ZX, _ZY - _YZ],
            [_XY + _YX, _YY - _XX - _ZZ, _YZ + _ZY, _XZ - _ZX],
            [_XZ + _ZX, _YZ + _ZY, _ZZ - _XX - _YY, _YX - _XY],
            [_ZY - _YZ, _XZ - _ZX, _YX - _XY, _XX + _YY + _ZZ],
        ]
    )
    .reshape(16, 9)
    .T
)
"""4 q q^T, less the unit matrix, from the nine entries of a rotation matrix (row by row)."""


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
    rows = (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )
    return _matrices(rows)


def rotation_about(axis: npt.ArrayLike, angle_rad: npt.ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) about unit axes (..., 3) by angles (...), by Rodrigues' formula."""
    unit, angle = np.asarray(axis, float), np.asarray(angle_rad, float)[..., None, None]
    x, y, z = np.moveaxis(unit, -1, 0)
    cross = _matrices(((0 * x, -z, y), (z, 0 * x, -x), (-y, x, 0 * x)))
    turned: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def rotation_from_quaternion(quaternion_xyzw: npt.ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) from quaternions (..., 4) xyzw of any non-zero length."""
    q = np.asarray(quaternion_xyzw, float)
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return _matrices(rows)


def quaternion_from_rotation(rotation: npt.ArrayLike) -> Array:
    """Quaternions (..., 4) xyzw with w >= 0 from rotation matrices (..., 3, 3).

    4 q q^T is linear in the matrix; of its rows the one with the largest component is taken, so the answer is well
    conditioned for every rotation.
    """
    m = np.asarray(rotation, float)
    products = m.reshape(-1, 9) @ _PRODUCTS_FROM_ROTATION + _PRODUCTS_OF_UPRIGHT  # (n, 16)
    largest = np.argmax(products[:, ::5], -1)
    q: Array = products.reshape(-1, 4, 4)[np.arange(len(products)), largest]
    q /= np.sqrt((q * q).sum(-1, keepdims=True)) * np.where(q[:, 3:] < 0, -1.0, 1.0)
    return q.reshape(*m.shape[:-2], 4)


def pose_from(position_m: npt.ArrayLike, rotation: npt.ArrayLike) -> Array:
    """Pose (..., 7) as position and quaternion xyzw."""
    return np.concatenate([np.asarray(position_m, float), quaternion_from_rotation(rotation)], -1)


def _matrices(rows: Sequence[Sequence[Array]]) -> Array:
    """(..., n, m) from n rows of m arrays (...) each, all of one shape."""
    built = np.empty((*np.shape(rows[0][0]), len(rows), len(rows[0])))
    for i, row in enumerate(rows):
        for k, entries in enumerate(row):
            built[..., i, k] = entries
    return built
