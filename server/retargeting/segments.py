"""Nearest points of pairs of segments, for any number of pairs at once."""

from __future__ import annotations

import numpy as np

from skin_teleop.transforms import Array


def nearest_points(one_m: Array, two_m: Array) -> tuple[Array, Array]:
    """Nearest points (..., 3) of segments (..., 2, 3) and (..., 2, 3).

    Ericson 2004, Real-Time Collision Detection, 5.1.9; parallel segments meet in the middle of the first.
    """
    u, v, w = (
        one_m[..., 1, :] - one_m[..., 0, :],
        two_m[..., 1, :] - two_m[..., 0, :],
        one_m[..., 0, :] - two_m[..., 0, :],
    )
    a, e = (np.maximum((x * x).sum(-1), 1e-12) for x in (u, v))
    b, c, f = (u * v).sum(-1), (u * w).sum(-1), (v * w).sum(-1)
    slope = a * e - b * b
    crossing = slope > 1e-9 * a * e
    s = np.where(crossing, np.clip((b * f - c * e) / np.where(crossing, slope, 1.0), 0, 1), 0.5)
    t = (b * s + f) / e
    s = np.where(t < 0, np.clip(-c / a, 0, 1), np.where(t > 1, np.clip((b - c) / a, 0, 1), s))
    t = np.clip(t, 0, 1)
    return one_m[..., 0, :] + s[..., None] * u, two_m[..., 0, :] + t[..., None] * v
