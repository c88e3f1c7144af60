"""The whole magnetic skin: forces on taxels, slip and pad poses in; counts out.

It needs no physics engine: whatever computes forces on pads can drive it. What it does not model: the motors' own
field, magnetic objects, spikes, and a taxel's temperature of its own.
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.ambient import AmbientField, PadPoses
from drivers.simulated.skin.elastomer import Elastomer
from drivers.simulated.skin.footprint import Footprint
from drivers.simulated.skin.magnets import Magnets
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin.readout import Readout
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array


class MagneticSkin:
    """Counts of all taxels, canonical order; the same seed gives the same skin and the same noise."""

    def __init__(
        self, layout: SkinLayout, seed: int, parameters: SkinParameters | None = None, noise_seed: int | None = None
    ) -> None:
        """Build one instance; its noise has the same seed unless another is given.

        Raises ConfigError for a parameter outside its range.
        """
        self.parameters = parameters or SkinParameters()
        self.parameters.check()
        self.grid = PadGrid(layout)
        self.footprint = Footprint(self.grid, self.parameters, np.random.default_rng([seed, 4]))
        """How forces on pads are to be shared among the taxels of this skin."""
        self._elastomer = Elastomer(self.grid, self.parameters)
        self._magnets = Magnets(self.grid, self.parameters, np.random.default_rng([seed, 3]))
        self._ambient = AmbientField(layout, self.grid, self.parameters, self._magnets.moment_a_m2)
        self.readout = Readout(self.parameters, seed, seed if noise_seed is None else noise_seed)

    def step(self, taxel_force_n: Array, slip_m_per_s: Array, pads: PadPoses, dt_s: float) -> Array:
        """Counts (368, 3) uint16 after `dt_s` under forces (368, 3) on the skin, pad frame, N.

        `slip_m_per_s` (18,) is the sliding speed on each pad. Each axis of the counts has the taxel's own frame, and
        z counts rise when the taxel is pressed.
        """
        moved_m = self._elastomer.step(self.grid.spread(taxel_force_n), slip_m_per_s, dt_s)
        touch_t = self.grid.collect(self._magnets.signal_t(moved_m))
        return self.readout.step(touch_t + self._ambient.at_taxels_t(pads), dt_s)
