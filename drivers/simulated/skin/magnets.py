"""The magnets over the sensing cells: the field that each cell sees when magnets of its pad move.

A cell's own magnet moves most and is taken exactly; the other magnets of the pad are farther away than they move, so
their share is the first derivative. Both are the field of a point dipole (J. D. Jackson, Classical Electrodynamics,
eq. 5.56): B = mu0/4pi (3 r (m.r)/|r|^5 - m/|r|^3).
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.transforms import Array

MU0_OVER_4PI = 1e-7
"""T m/A (SI)."""


def dipole_field_t(r_m: Array, moment_a_m2: Array) -> Array:
    """Field (..., 3) T at `r_m` (..., 3) from a dipole (..., 3)."""
    square = (r_m**2).sum(-1, keepdims=True)
    along = (r_m * moment_a_m2).sum(-1, keepdims=True)
    field: Array = MU0_OVER_4PI * (3 * r_m * along / square - moment_a_m2) * square**-1.5
    return field


def dipole_gradient_t_per_m(r_m: Array, moment_a_m2: Array) -> Array:
    """Derivative (..., 3, 3) of the field's components (first) by the position (second), T/m."""
    r, m = r_m[..., :, None], moment_a_m2[..., :, None]
    square = (r_m**2).sum(-1)[..., None, None]
    along = (r_m * moment_a_m2).sum(-1)[..., None, None]
    r_row, m_row = r.swapaxes(-1, -2), m.swapaxes(-1, -2)
    inner = along * np.eye(3) + r * m_row + m * r_row - 5 * along * r * r_row / square
    gradient: Array = 3 * MU0_OVER_4PI * inner * square**-2.5
    return gradient


class Magnets:
    """One magnet over every taxel's cell, each with its own moment."""

    def __init__(self, grid: PadGrid, parameters: SkinParameters, rng: np.random.Generator) -> None:
        spread = 1 + parameters.moment_spread * rng.standard_normal(grid.shape)
        self._height_m, self._tilt = parameters.magnet_height_m, parameters.magnet_tilt / parameters.magnet_height_m
        self.moment_a_m2 = parameters.magnet_moment_a_m2 * spread * grid.is_taxel
        """(18, 30) along each taxel's outward normal."""
        self._strength = (MU0_OVER_4PI * self.moment_a_m2).astype(np.float32)
        self._rest_t = self._own(np.zeros((*grid.shape, 3), np.float32))
        self._from_others = neighbour_derivative(grid, self.moment_a_m2, self._height_m, self._tilt).astype(np.float32)

    def signal_t(self, moved_m: Array) -> Array:
        """Change of field (18, 30, 3) T, taxel frame, when magnets move by (18, 30, 3) m from their rest."""
        pads, taxels, _ = moved_m.shape
        others = (self._from_others @ moved_m.reshape(pads, 3 * taxels, 1)).reshape(moved_m.shape)
        signal: Array = self._own(moved_m) - self._rest_t + others
        return signal

    def _own(self, moved_m: Array) -> Array:
        """Field of the magnet `height` above the cell; a dragged magnet also leans.

        `dipole_field_t` written out by components: the axis of three is too short for numpy's sums.
        """
        right, ahead, raised = np.moveaxis(moved_m, -1, 0)
        below = raised + np.float32(self._height_m)  # the cell is at (-right, -ahead, -below) from the magnet
        lean_x, lean_y = np.float32(self._tilt) * right, np.float32(self._tilt) * ahead
        square = right * right + ahead * ahead + below * below
        along = -3 * (lean_x * right + lean_y * ahead + below) / square
        strength = self._strength / (square * np.sqrt(square))
        field = np.empty_like(moved_m)
        field[..., 0] = strength * (-along * right - lean_x)
        field[..., 1] = strength * (-along * ahead - lean_y)
        field[..., 2] = strength * (-along * below - 1)
        return field

    def describe(self, record: Array, grid: PadGrid) -> None:
        """Hand the constants to a record of the compiled model (`SKIN` of kernel.py)."""
        record["height_m"], record["tilt"] = self._height_m, self._tilt
        record["strength"] = grid.collect(self._strength)[:, 0]
        record["rest_t"] = grid.collect(self._rest_t)
        record["neighbours"] = self._from_others.swapaxes(1, 2)


def neighbour_derivative(grid: PadGrid, moment_a_m2: Array, height_m: float, tilt: float) -> Array:
    """Field in each cell's taxel frame by every other magnet's displacement in its own (18, 90, 90), T/m."""
    to_taxel = grid.to_taxel  # (18, 30, 3, 3)
    normal = to_taxel[..., 2, :]
    cell_m = grid.position_m - height_m * normal
    r_m = cell_m[:, :, None] - grid.position_m[:, None]  # (18, 30, 30, 3) from magnet j to cell i
    moment = np.broadcast_to((moment_a_m2[..., None] * normal)[:, None], r_m.shape)
    pair = grid.is_taxel[:, :, None] & grid.is_taxel[:, None] & ~np.eye(grid.shape[1], dtype=bool)
    r_m = np.where(pair[..., None], r_m, 1.0)
    by_place = -dipole_gradient_t_per_m(r_m, moment)
    lean = np.diag([tilt, tilt, 0.0]) @ to_taxel  # a drag along x leans the moment towards x
    by_lean = _field_by_moment(r_m) @ (to_taxel.swapaxes(-1, -2) @ lean * moment_a_m2[..., None, None])[:, None]
    derivative = to_taxel[:, :, None] @ (by_place + by_lean) @ to_taxel.swapaxes(-1, -2)[:, None]
    derivative *= pair[..., None, None]
    pads, taxels = grid.shape
    matrix: Array = derivative.swapaxes(2, 3).reshape(pads, 3 * taxels, 3 * taxels)
    return matrix


def _field_by_moment(r_m: Array) -> Array:
    """Derivative (..., 3, 3) of the field by the moment, T/(A m^2)."""
    square = (r_m**2).sum(-1)[..., None, None]
    outer = r_m[..., :, None] * r_m[..., None, :]
    matrix: Array = MU0_OVER_4PI * (3 * outer / square - np.eye(3)) * square**-1.5
    return matrix
