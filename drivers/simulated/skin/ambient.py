"""Fields that have nothing to do with touch: the earth's, which turns with each pad, and the magnets of other pads.

The earth's field is the same for all taxels of a flat pad, so subtracting a pad's mean removes it. The magnets of
another finger are not: a 16-magnet pad gives about 1 mT at 10 mm and 0.12 mT at 20 mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.simulated.skin.magnets import MU0_OVER_4PI
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

CLOSEST_M = 0.008
"""A pad's magnets are one dipole in its middle, which is no model for a cell nearer than this; softens the pole."""


@dataclass(frozen=True)
class PadPoses:
    """Where all pads are, in one common frame (the world's)."""

    rotation: Array
    """(18, 3, 3) pad frame to world."""
    position_m: Array
    """(18, 3) pad origins."""


class AmbientField:
    """The earth, and one dipole for the magnets of each pad. Computed in float32, which is exact to 0.01 counts."""

    def __init__(self, layout: SkinLayout, grid: PadGrid, parameters: SkinParameters, moment_a_m2: Array) -> None:
        self._grid = grid
        self._earth_t = np.array([parameters.earth_x_t, parameters.earth_y_t, parameters.earth_z_t], np.float32)
        normal = grid.to_taxel[..., 2, :]  # (18, 30, 3) pad frame
        self._cell_m = (grid.position_m - parameters.magnet_height_m * normal).astype(np.float32)
        self._moment = (moment_a_m2[..., None] * normal).sum(1)  # (18, 3) pad frame
        self._to_taxel = grid.to_taxel.astype(np.float32)
        _, self._link = np.unique([pad.link for pad in layout.pads], return_inverse=True)  # (18,)
        moves = np.where(self._link[:, None] != self._link, MU0_OVER_4PI, 0.0)  # pads of one link move together
        self._moves = np.repeat(moves, grid.shape[1], axis=0).astype(np.float32)  # (540, 18)

    def at_taxels_t(self, pads: PadPoses) -> Array:
        """Field (368, 3) T in each taxel's frame; what never changes (pads on the same link) is left out."""
        rotation = pads.rotation.astype(np.float32)
        centre_m = (pads.position_m - pads.position_m.mean(0)).astype(np.float32)
        cell_m = self._cell_m @ rotation.swapaxes(1, 2) + centre_m[:, None]  # (18, 30, 3)
        moment = (pads.rotation @ self._moment[..., None])[..., 0].astype(np.float32)
        world = self._earth_t + self._others(cell_m.reshape(-1, 3), centre_m, moment)
        on_pad = world.reshape(cell_m.shape) @ rotation  # R^T b
        return self._grid.collect(np.einsum("ptij,ptj->pti", self._to_taxel, on_pad))

    def _others(self, cell_m: Array, place_m: Array, moment: Array) -> Array:
        """World field (540, 3) of all other pads' dipoles (18, 3), written as products of small matrices."""
        square = cell_m @ (-2 * place_m.T)
        square += np.einsum("ij,ij->i", cell_m, cell_m)[:, None]
        square += np.einsum("ij,ij->i", place_m, place_m) + np.float32(CLOSEST_M**2)
        square = np.maximum(square, np.float32(CLOSEST_M**2))  # rounding, where pads are metres apart
        cube = self._moves / (square * np.sqrt(square))
        pull = cell_m @ (3 * moment.T)
        pull -= 3 * np.einsum("ij,ij->i", place_m, moment)
        pull *= cube
        pull /= square
        field: Array = cell_m * pull.sum(-1, keepdims=True) - pull @ place_m - cube @ moment
        return field

    def describe(self, record: Array, grid: PadGrid) -> None:
        """Hand the constants to a record of the compiled model (`SKIN` of kernel.py)."""
        record["earth_t"], record["moment_a_m2"], record["link"] = self._earth_t, self._moment, self._link
        record["to_taxel"] = grid.collect(self._to_taxel).reshape(-1, 3, 3)
        record["cell_m"][..., : grid.shape[1]] = self._cell_m.swapaxes(1, 2)
