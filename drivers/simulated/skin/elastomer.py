"""The soft layer between the touch and the magnets: how far each magnet moves under the forces on its pad.

Force to displacement is linear inside a pad (spread, stiffness, Poisson bulge), then stiffens, remembers shear and
lags. A force is imposed here, so the displacement comes late and creeps (Kelvin-Voigt branches); for an imposed
displacement it would be the force that relaxes.
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.transforms import Array

FORGET_S = 0.03
"""Guess: a shear that is released by slip or by lifting is gone after about this time."""
TOUCH_N = 1e-4
"""Force on a pad, N, below which it counts as untouched."""
SETTLED_M = 1e-12
"""A memory smaller than this, some millionths of a count, becomes zero, so that an untouched pad comes to rest."""


class Elastomer:
    """Displacements of all magnets over time; every array is float32 on the grid (18, 30)."""

    def __init__(self, grid: PadGrid, parameters: SkinParameters) -> None:
        self._p = parameters
        self._compliance = compliance(grid, parameters).astype(np.float32)
        self._held = np.zeros((*grid.shape, 2), np.float32)
        self._late = np.zeros((*grid.shape, 3), np.float32)
        self._slow = np.zeros((*grid.shape, 3), np.float32)

    def step(self, force_n: Array, slip_m_per_s: Array, dt_s: float) -> Array:
        """Displacements (18, 30, 3), taxel frame, m, after `dt_s` under forces (18, 30, 3) on the skin, pad frame, N.

        `slip_m_per_s` (18,) is how fast something slides along each pad.
        """
        pads, taxels, _ = force_n.shape
        flat = force_n.astype(np.float32).reshape(pads, 3 * taxels, 1)
        moved = (self._compliance @ flat).reshape(force_n.shape)
        largest = np.float32(self._p.largest_displacement_m)
        moved = largest * np.tanh(moved / largest)
        self._remember(moved, flat, slip_m_per_s, dt_s)
        return self._lag(moved, dt_s)

    def _remember(self, moved: Array, force_n: Array, slip_m_per_s: Array, dt_s: float) -> None:
        """Mix the shear of `moved` with what a sticking contact holds; slipping and lifting let go of it."""
        touched = np.abs(force_n).sum((1, 2)) > TOUCH_N
        sticks = touched & (slip_m_per_s < self._p.slip_release_m_per_s)
        pace = np.where(sticks, share(dt_s, self._p.shear_memory_s), share(dt_s, FORGET_S)).astype(np.float32)
        goal = moved[..., :2] * touched[:, None, None]
        self._held = settled(self._held + pace[:, None, None] * (goal - self._held))
        moved[..., :2] += np.float32(self._p.shear_memory) * (self._held - moved[..., :2])

    def _lag(self, moved: Array, dt_s: float) -> Array:
        self._late = settled(self._late + np.float32(share(dt_s, self._p.hysteresis_s)) * (moved - self._late))
        self._slow = settled(self._slow + np.float32(share(dt_s, self._p.creep_s)) * (moved - self._slow))
        late, slow = np.float32(self._p.hysteresis), np.float32(self._p.creep)
        lagging: Array = (1 - late - slow) * moved + late * self._late + slow * self._slow
        return lagging

    def describe(self, record: Array, grid: PadGrid) -> None:
        """Hand the constants to a record of the compiled model (`SKIN` of kernel.py)."""
        record["compliance"] = self._compliance.swapaxes(1, 2)


def settled(moved_m: Array) -> Array:
    """Displacements, with those that no longer matter at zero."""
    return np.where(np.abs(moved_m) < SETTLED_M, np.float32(0), moved_m)


def share(dt_s: float, time_constant_s: float) -> float:
    """What a first-order lag covers of its way in `dt_s`."""
    return float(-np.expm1(-dt_s / time_constant_s))


def compliance(grid: PadGrid, parameters: SkinParameters) -> Array:
    """Small-signal displacement by force (18, 90, 90), m/N: from the pad frame to every taxel's own frame.

    (1 + Poisson) K^-1 G T: turn into taxel frames, spread by G_ij ~ exp(-|x_i - x_j| / l) with rows that add up to
    one, divide by the stiffness, and bulge sideways away from indented neighbours.
    """
    pads, taxels = grid.shape
    spread = _spread(grid, parameters.spread_length_m)
    stiffness = [parameters.shear_stiffness_n_per_m] * 2 + [parameters.normal_stiffness_n_per_m]
    soft = np.diag(1 / np.array(stiffness)) @ grid.to_taxel  # (18, 30, 3, 3)
    turned = spread[:, :, None, :, None] * soft.swapaxes(1, 2)[:, None]  # (18, 30, 3, 30, 3)
    bulge = np.eye(3 * taxels) + _poisson(grid, parameters).reshape(pads, 3 * taxels, 3 * taxels)
    matrix: Array = bulge @ turned.reshape(pads, 3 * taxels, 3 * taxels)
    return matrix


def _spread(grid: PadGrid, length_m: float) -> Array:
    apart = np.linalg.norm(grid.position_m[:, :, None] - grid.position_m[:, None], axis=-1)  # (18, 30, 30)
    weights = np.exp(-apart / length_m) * grid.is_taxel[:, None] * grid.is_taxel[:, :, None]
    spread: Array = weights / np.maximum(weights.sum(-1, keepdims=True), 1e-12)
    return spread


def _poisson(grid: PadGrid, parameters: SkinParameters) -> Array:
    """Sideways displacement by a neighbour's indentation (18, 30, 3, 30, 3); an indentation is a negative z."""
    away = grid.position_m[:, :, None] - grid.position_m[:, None]  # (18, 30, 30, 3), from j to i
    apart = np.linalg.norm(away, axis=-1, keepdims=True)
    pull = np.exp(-apart / parameters.spread_length_m) * away / np.maximum(apart, 1e-9)
    pull = pull * (grid.is_taxel[:, None] & grid.is_taxel[:, :, None])[..., None]
    sideways = np.einsum("piab,pijb->pija", grid.to_taxel, pull)[..., :2]
    matrix = np.zeros((*grid.shape, 3, grid.shape[1], 3))
    matrix[:, :, :2, :, 2] = -parameters.poisson_share * np.moveaxis(sideways, -1, 2)
    return matrix
