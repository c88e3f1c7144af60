"""How a force on a pad is shared among its taxels: by how deep each taxel is in the object that touches.

Spreading contact points alone lights the four corners of a flat face that rests on a pad. The signed distance of the
object gives the shape of the touched area, and the solver's force gives its sum: the shares of a force add up to one.
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.errors import ConfigError
from skin_teleop.transforms import Array

SPLAT_PITCHES = 0.6
"""Guess: width (sigma) of the Gaussian around a contact point, in taxel pitches, where no taxel reaches the object."""
SHAPES = ("plane", "sphere", "capsule", "ellipsoid", "cylinder", "box")


class Footprint:
    """The taxels of all pads, each at its own height."""

    def __init__(self, grid: PadGrid, parameters: SkinParameters, rng: np.random.Generator) -> None:
        bumps_m = parameters.bump_spread_m * rng.standard_normal(grid.shape)
        self.reach_m = np.where(grid.is_taxel, parameters.contact_reach_m + bumps_m, -np.inf)
        """(18, 30) how far each taxel feels an object, m."""
        self._taxel_m = np.where(grid.is_taxel[..., None], grid.position_m, 1e3)
        self.sigma_m = SPLAT_PITCHES * np.array(
            [_pitch_m(pad[mask]) for pad, mask in zip(grid.position_m, grid.is_taxel)]
        )
        """(18,) width of the Gaussian where no taxel reaches it, m."""

    def shares(self, pad: Array, distance_m: Array, point_m: Array) -> Array:
        """Shares (n, 30) of n forces on pads (n,): signed distances of the taxels to the touching object (n, 30), m.

        `point_m` (n, 3), pad frame, is where the solver saw the contact; it decides where no taxel is deep enough.
        """
        depth = np.maximum(self.reach_m[pad] - distance_m, 0.0)
        total = depth.sum(-1, keepdims=True)
        shares: Array = depth / np.where(total > 0, total, 1.0)
        missed = np.flatnonzero(total[:, 0] <= 0)
        if len(missed):
            shares[missed] = self._splat(pad[missed], point_m[missed])
        return shares

    def _splat(self, pad: Array, point_m: Array) -> Array:
        apart = ((self._taxel_m[pad] - point_m[:, None]) ** 2).sum(-1)
        weights = np.exp(-0.5 * (apart - apart.min(-1, keepdims=True)) / self.sigma_m[pad, None] ** 2)
        splat: Array = weights / weights.sum(-1, keepdims=True)
        return splat


def signed_distance_m(shape: str, size_m: Array, point_m: Array) -> Array:
    """Distances (n, k) of points (n, k, 3) in the shape's own frame from its surface, m; negative inside.

    Sizes (n, 3) are MuJoCo's: half lengths, or radius and half height along z. The ellipsoid's is the first-order
    estimate k0 (k0 - 1) / k1 (I. Quilez, "Distance functions"). Raises ConfigError for another shape.
    """
    size = size_m[:, None]
    if shape == "plane":
        return np.asarray(point_m[..., 2])
    if shape == "sphere":
        return _length(point_m) - size[..., 0]
    if shape == "capsule":
        beyond = point_m[..., 2] - np.clip(point_m[..., 2], -size[..., 1], size[..., 1])
        return np.asarray(np.hypot(np.hypot(point_m[..., 0], point_m[..., 1]), beyond) - size[..., 0])
    if shape == "cylinder":
        radial = np.hypot(point_m[..., 0], point_m[..., 1])
        return _from_excess(np.stack([radial - size[..., 0], np.abs(point_m[..., 2]) - size[..., 1]], -1))
    if shape == "box":
        return _from_excess(np.abs(point_m) - size)
    if shape == "ellipsoid":
        scaled, steep = _length(point_m / size), _length(point_m / size**2)
        return np.asarray(scaled * (scaled - 1) / np.maximum(steep, 1e-9))
    raise ConfigError(f"the signed distance of a {shape!r} was asked for", allowed=", ".join(SHAPES))


def _from_excess(excess_m: Array) -> Array:
    """Distance of a shape that is a product of intervals, from how far a point is beyond each."""
    outside = _length(np.maximum(excess_m, 0.0))
    return np.asarray(outside + np.minimum(excess_m.max(-1), 0.0))


def _length(vectors: Array) -> Array:
    return np.asarray(np.sqrt((vectors**2).sum(-1)))


def _pitch_m(taxels_m: Array) -> float:
    """Mean distance to the nearest neighbour, m."""
    apart = np.linalg.norm(taxels_m[:, None] - taxels_m, axis=-1) + np.diag(np.full(len(taxels_m), np.inf))
    return float(apart.min(-1).mean())
