"""The skin model run over a whole recording at once: what a pad's taxels should show under known forces.

Same formulas as the live model (elastomer, then own magnet exactly and the others by first derivative), written over
time instead of step by step, with equal magnets. Shear memory and slip are left out: where shear changed lately, the
fit does not look.
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.elastomer import compliance, share
from drivers.simulated.skin.magnets import dipole_field_t, neighbour_derivative
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

BLOCK = 64


class SkinResponse:
    """The model with one set of parameters."""

    def __init__(self, layout: SkinLayout, parameters: SkinParameters) -> None:
        grid = PadGrid(layout)
        self._p = parameters
        self._moment_a_m2 = parameters.magnet_moment_a_m2
        self._compliance = compliance(grid, parameters)
        tilt = parameters.magnet_tilt / parameters.magnet_height_m
        moments = self._moment_a_m2 * grid.is_taxel
        self._from_others = neighbour_derivative(grid, moments, parameters.magnet_height_m, tilt)
        self._count = [pad.count for pad in layout.pads]

    def pressed_m(self, pad: int, force_n: Array) -> Array:
        """Displacements (T, n, 3), taxel frames, m, once everything has settled under forces (T, n, 3)."""
        width = 3 * self._count[pad]
        matrix = self._compliance[pad][:width, :width]
        moved = (force_n.reshape(len(force_n), width) @ matrix.T).reshape(force_n.shape)
        largest = self._p.largest_displacement_m
        settled: Array = largest * np.tanh(moved / largest)
        return settled

    def counts(self, pad: int, moved_m: Array) -> Array:
        """Change of counts (T, n, 3) from rest at gain one under displacements (T, n, 3)."""
        width = 3 * self._count[pad]
        others = moved_m.reshape(len(moved_m), width) @ self._from_others[pad][:width, :width].T
        lean = np.array([1.0, 1.0, 0.0]) * self._p.magnet_tilt / self._p.magnet_height_m
        up = np.array([0.0, 0.0, 1.0])
        below = np.array([0.0, 0.0, -self._p.magnet_height_m])
        own = dipole_field_t(below - moved_m, self._moment_a_m2 * (up + lean * moved_m))
        own -= dipole_field_t(below, self._moment_a_m2 * up)
        signal: Array = (own + others.reshape(moved_m.shape)) / self._p.tesla_per_count
        return signal


def lagging(moved_m: Array, dt_s: float, late: float, late_s: float, slow: float, slow_s: float) -> Array:
    """Displacements (T, n, 3) that come late by two first-order branches with these shares and time constants."""
    between = moved_m.copy()
    between[1:] = (moved_m[1:] + moved_m[:-1]) / 2
    shown = (1 - late - slow) * moved_m
    for part, pace in ((late, share(dt_s, late_s)), (slow, share(dt_s, slow_s))):
        shown += part * _follow(between, pace)
    return shown


def _follow(goal: Array, pace: float) -> Array:
    """First-order lag of (T, ...): state += pace (goal - state), a block of rows at a time."""
    flat = goal.reshape(len(goal), -1)
    padded = np.concatenate([flat, np.zeros((-len(flat) % BLOCK, flat.shape[1]))])
    blocks = padded.reshape(-1, BLOCK, flat.shape[1])
    ago = np.arange(BLOCK)[:, None] - np.arange(BLOCK)
    inside = np.where(ago >= 0, pace * (1 - pace) ** np.maximum(ago, 0), 0.0) @ blocks
    fading = (1 - pace) ** np.arange(1, BLOCK + 1)[:, None]
    state = np.zeros(flat.shape[1])
    for block in inside:
        block += fading * state
        state = block[-1]
    followed: Array = inside.reshape(padded.shape)[: len(goal)].reshape(goal.shape)
    return followed
