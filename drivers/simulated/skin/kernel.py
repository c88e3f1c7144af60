"""The magnetic skin compiled: one call for the field of a period, one for its counts.

The parts in numpy are the reference. They are built first and hand their constants over in one record, so that every
number is computed in one place; what the elastomer and the random walk remember lives in that record from then on.
"""

from __future__ import annotations

import ctypes

import numpy as np

from drivers.simulated.skin.ambient import CLOSEST_M, AmbientField, PadPoses
from drivers.simulated.skin.elastomer import FORGET_S, SETTLED_M, TOUCH_N, Elastomer
from drivers.simulated.skin.magnets import MU0_OVER_4PI, Magnets
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin.readout import Readout
from skin_teleop.messages import N_PADS, N_TAXELS
from skin_teleop.transforms import Array

AXES, LANES = 90, 32
SKIN = np.dtype(
    [
        ("first", "<i8", N_PADS + 1),
        ("link", "<i8", N_PADS),
        ("compliance", "<f4", (N_PADS, AXES, AXES)),
        ("neighbours", "<f4", (N_PADS, AXES, AXES)),
        *((name, "<f8") for name in ("largest_displacement_m", "shear_memory", "shear_memory_s")),
        *((name, "<f8") for name in ("slip_release_m_per_s", "forget_s", "touch_n", "settled_m")),
        *((name, "<f8") for name in ("hysteresis", "hysteresis_s", "creep", "creep_s")),
        *((name, "<f4", (N_PADS, AXES)) for name in ("held_m", "late_m", "slow_m")),
        ("disturbed", "<i8", N_PADS),
        ("height_m", "<f8"),
        ("tilt", "<f8"),
        ("strength", "<f4", N_TAXELS),
        ("rest_t", "<f4", (N_TAXELS, 3)),
        ("to_taxel", "<f4", (N_TAXELS, 3, 3)),
        ("cell_m", "<f4", (N_PADS, 3, LANES)),
        ("moment_a_m2", "<f4", (N_PADS, 3)),
        ("earth_t", "<f4", 3),
        ("mu0_over_4pi", "<f8"),
        ("closest_m", "<f8"),
        ("rest_counts", "<f8", (N_TAXELS, 3)),
        ("counts_per_tesla", "<f8", N_TAXELS),
        ("drift_counts_per_k", "<f8", (N_TAXELS, 3)),
        ("noise_counts", "<f8"),
        ("walked_counts", "<f4", (N_TAXELS, 3)),
    ],
    align=True,
)
"""What skin.h calls Skin, field by field."""


class SkinKernel:
    """One skin; its buffers are its own, so one thread uses one kernel."""

    def __init__(
        self,
        library: ctypes.CDLL,
        parameters: SkinParameters,
        grid: PadGrid,
        parts: tuple[Elastomer, Magnets, AmbientField, Readout],
    ) -> None:
        self._library = library
        self._record = np.zeros((), SKIN)
        self._fill(parameters, grid)
        for part in parts:
            part.describe(self._record, grid)
        self._readout = parts[-1]
        self._force_n, self._slip = np.zeros((N_TAXELS, 3)), np.zeros(N_PADS)
        self._turn, self._position_m = np.zeros((N_PADS, 3, 3)), np.zeros((N_PADS, 3))
        self._field_t, self._counts = np.zeros((N_TAXELS, 3), np.float32), np.zeros((N_TAXELS, 3), np.uint16)
        buffers = (self._record, self._force_n, self._slip, self._turn, self._position_m, self._field_t, self._counts)
        self._at = [ctypes.c_void_p(buffer.ctypes.data) for buffer in buffers]
        self._draws_at = ctypes.c_void_p(self._readout.draws.ctypes.data)

    def _fill(self, parameters: SkinParameters, grid: PadGrid) -> None:
        for name in set(SKIN.names or ()) & {*SkinParameters.__dataclass_fields__}:
            self._record[name] = getattr(parameters, name)
        self._record["first"][1:] = np.cumsum(grid.is_taxel.sum(1))
        self._record["forget_s"], self._record["touch_n"], self._record["settled_m"] = FORGET_S, TOUCH_N, SETTLED_M
        self._record["mu0_over_4pi"], self._record["closest_m"] = MU0_OVER_4PI, CLOSEST_M

    def field_t(self, taxel_force_n: Array, slip_m_per_s: Array, pads: PadPoses, dt_s: float) -> Array:
        """Field (368, 3) T, taxel frames, after `dt_s` under forces (368, 3); valid until the next call."""
        self._force_n[:], self._slip[:] = taxel_force_n, slip_m_per_s
        self._turn[:], self._position_m[:] = pads.rotation, pads.position_m
        record, force, slip, turn, position, field, _ = self._at
        self._library.skin_field(record, force, slip, turn, position, ctypes.c_double(dt_s), field)
        return self._field_t

    def counts(self, dt_s: float) -> Array:
        """Counts (368, 3) uint16 of the newest field, `dt_s` after the last."""
        if not self._readout.time_s:
            self._record["rest_counts"] = self._readout.rest_without_field(self._field_t)
        walk, warmer_k = self._readout.draw(dt_s)
        record, *_, field, counts = self._at
        self._library.skin_counts(
            record, field, self._draws_at, ctypes.c_double(walk), ctypes.c_double(warmer_k), counts
        )
        return self._readout.with_faults(self._counts.copy())
