"""All pads as one array (18, 30, ...): pads with fewer taxels are filled up, so one numpy call serves every pad."""

from __future__ import annotations

import numpy as np

from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import SkinLayout, taxel_frames
from skin_teleop.transforms import Array


class PadGrid:
    """Where every taxel stands in the filled-up array, and its place and frame on its pad."""

    def __init__(self, layout: SkinLayout) -> None:
        self.shape = (len(layout.pads), max(pad.count for pad in layout.pads))
        self.slot = np.concatenate([pad.index * self.shape[1] + np.arange(pad.count) for pad in layout.pads])
        """(368,) place of each canonical taxel in the flattened grid."""
        self.is_taxel = np.zeros(self.shape, bool)
        """(18, 30) False where a pad is filled up."""
        self.is_taxel.reshape(-1)[self.slot] = True
        on_pad = [(layout.positions_m["vendor"][pad.taxels] - pad.position_m) @ pad.rotation for pad in layout.pads]
        self.position_m = self.spread(np.concatenate(on_pad))
        """(18, 30, 3) places in the pad frame, about the pad origin."""
        self.to_taxel = self.spread(taxel_frames(layout).reshape(N_TAXELS, 9)).reshape(*self.shape, 3, 3)
        """(18, 30, 3, 3) rotations from the pad frame to each taxel's own."""

    def spread(self, values: Array) -> Array:
        """Values (368, n) laid into the grid, (18, 30, n); zero where a pad is filled up."""
        grid = np.zeros((self.is_taxel.size, values.shape[1]), values.dtype)
        grid[self.slot] = values
        return grid.reshape(*self.shape, -1)

    def collect(self, grid: Array) -> Array:
        """Values (368, n) in canonical order from the grid (18, 30, n)."""
        values: Array = grid.reshape(self.is_taxel.size, -1)[self.slot]
        return values
