"""The whole magnetic skin: forces on taxels, slip and pad poses in; counts out.

It needs no physics engine: whatever computes forces on pads can drive it. What it does not model: the motors' own
field, magnetic objects, spikes, and a taxel's temperature of its own.
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.ambient import AmbientField, PadPoses
from drivers.simulated.skin.elastomer import Elastomer
from drivers.simulated.skin.footprint import Footprint
from drivers.simulated.skin.kernel import SkinKernel
from drivers.simulated.skin.library import skin_library
from drivers.simulated.skin.magnets import Magnets
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin.readout import MeasuredTaxels, Readout
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array


class MagneticSkin:
    """Counts of all taxels, canonical order; the same seed gives the same skin and the same noise."""

    def __init__(
        self,
        layout: SkinLayout,
        seed: int,
        parameters: SkinParameters | None = None,
        noise_seed: int | None = None,
        measured: MeasuredTaxels | None = None,
        compiled: bool = True,
    ) -> None:
        """Build one instance; its noise has the same seed unless another is given.

        `measured` taxels take the place of drawn offsets, gains and faults. It is compiled where a compiler is at
        hand, else (and where asked to) it runs in numpy: the same to a rounding error.

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
        self.readout = Readout(self.parameters, seed, seed if noise_seed is None else noise_seed, measured)
        library = skin_library() if compiled else None
        parts = (self._elastomer, self._magnets, self._ambient, self.readout)
        self._kernel = SkinKernel(library, self.parameters, self.grid, parts) if library else None

    def step(self, taxel_force_n: Array, slip_m_per_s: Array, pads: PadPoses, dt_s: float) -> Array:
        """Counts (368, 3) uint16 after `dt_s` under forces (368, 3) on the skin, pad frame, N.

        `slip_m_per_s` (18,) is the sliding speed on each pad. Each axis of the counts has the taxel's own frame, and
        z counts rise when the taxel is pressed.
        """
        field_t = self.field_t(taxel_force_n, slip_m_per_s, pads, dt_s)
        return self._kernel.counts(dt_s) if self._kernel else self.readout.step(field_t, dt_s)

    def field_t(self, taxel_force_n: Array, slip_m_per_s: Array, pads: PadPoses, dt_s: float) -> Array:
        """Field (368, 3) T in each taxel's frame after `dt_s`: the first half of `step`, with its arguments."""
        if self._kernel is not None:
            return self._kernel.field_t(taxel_force_n, slip_m_per_s, pads, dt_s)
        moved_m = self._elastomer.step(self.grid.spread(taxel_force_n), slip_m_per_s, dt_s)
        touch_t: Array = self.grid.collect(self._magnets.signal_t(moved_m)) + self._ambient.at_taxels_t(pads)
        return touch_t
