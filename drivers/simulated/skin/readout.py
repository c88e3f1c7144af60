"""From the field in a cell to the counts on the wire: offset, gain, drift, noise, faults, sixteen bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.messages import N_TAXELS
from skin_teleop.transforms import Array

MAX_COUNTS = 65535
FRAME_S = 0.01
"""Period of the frames that the random walk is given for."""


@dataclass(frozen=True, eq=False)
class MeasuredTaxels:
    """What was measured on one hand's taxels, canonical order."""

    rest_counts: Array
    """(368, 3) counts at rest, with the ambient field of the pose in which they were read; what a dead taxel sends."""
    gain: Array
    """(368,) relative to the model's."""
    dead: Array
    """(368,) True for taxels that always send the same."""


class Readout:
    """One instance of the electronics: the same seed gives the same offsets, gains and faults."""

    def __init__(
        self, parameters: SkinParameters, seed: int, noise_seed: int, measured: MeasuredTaxels | None = None
    ) -> None:
        self._p = parameters
        self._noise = np.random.default_rng([noise_seed, 1])
        skin = np.random.default_rng([seed, 0])
        mean = np.array([parameters.rest_xy_counts] * 2 + [parameters.rest_z_counts])
        spread = np.array([parameters.rest_xy_spread_counts] * 2 + [parameters.rest_z_spread_counts])
        self.rest = mean + spread * skin.standard_normal((N_TAXELS, 3))
        """(368, 3) counts without field, drift and noise."""
        self.gain = 1 + parameters.gain_spread * skin.standard_normal((N_TAXELS, 1))
        """(368, 1) relative."""
        self._drift_share = np.array([0.2, 0.2, 1.0]) * (1 + 0.2 * skin.standard_normal((N_TAXELS, 3)))
        self._walk = np.zeros((N_TAXELS, 3), np.float32)
        self.draws = np.zeros((2, N_TAXELS, 3), np.float32)
        """Normal numbers of the newest step, for the random walk and for the noise."""
        self._fault, self._stuck_at = self._faults(skin)
        self._rest_holds_field = measured is not None
        if measured is not None:
            self.rest, self.gain, self._fault = measured.rest_counts.copy(), measured.gain[:, None], measured.dead
            self._stuck_at = np.rint(self.rest[measured.dead]).clip(0, MAX_COUNTS).astype(np.uint16)
        self.time_s = 0.0

    def _faults(self, skin: np.random.Generator) -> tuple[Array, Array]:
        """Which taxels are broken (368,), and the constant that each of them sends (n, 3): dead, stuck, saturated."""
        draw = skin.random(N_TAXELS)
        dead = draw < self._p.dead_share
        stuck = ~dead & (draw < self._p.dead_share + self._p.stuck_share)
        saturated = draw > 1 - self._p.saturated_share
        constant = np.rint(self.rest) * stuck[:, None] + MAX_COUNTS * saturated[:, None]
        fault = dead | stuck | saturated
        return fault, constant[fault].clip(0, MAX_COUNTS).astype(np.uint16)

    @property
    def broken(self) -> Array:
        """(368,) True for taxels that are dead, stuck or saturated."""
        return self._fault

    def step(self, field_t: Array, dt_s: float) -> Array:
        """Counts (368, 3) uint16 for a field (368, 3) T, `dt_s` after the last."""
        self.rest_without_field(field_t)
        walk, warmer_k = self.draw(dt_s)
        self._walk += np.float32(walk) * self.draws[0]
        counts = self.rest + self.gain * field_t / self._p.tesla_per_count + self._walk
        counts += self._p.drift_counts_per_k * warmer_k * self._drift_share + self._p.noise_counts * self.draws[1]
        return self.with_faults(np.clip(np.rint(counts), 0, MAX_COUNTS).astype(np.uint16))

    def rest_without_field(self, field_t: Array) -> Array:
        """Counts (368, 3) at rest; a measured rest holds the ambient field of its pose, which the first field is."""
        if self._rest_holds_field:
            self.rest -= self.gain * field_t / self._p.tesla_per_count
            self._rest_holds_field = False
        return self.rest

    def draw(self, dt_s: float) -> tuple[float, float]:
        """Let time pass and draw its noise into `draws`; returns the walk's deviation, counts, and the warming, K."""
        self.time_s += dt_s
        self._noise.standard_normal(dtype=np.float32, out=self.draws)
        warmer_k = self._p.warm_up_k * -math.expm1(-self.time_s / self._p.warm_up_s)
        return self._p.walk_counts * math.sqrt(dt_s / FRAME_S), warmer_k

    def with_faults(self, counts: Array) -> Array:
        """The counts (368, 3), in place, with what broken taxels send instead of theirs."""
        if len(self._stuck_at):
            counts[self._fault] = self._stuck_at
        return counts

    def describe(self, record: Array, grid: PadGrid) -> None:
        """Hand the constants to a record of the compiled model (`SKIN` of kernel.py)."""
        record["rest_counts"], record["counts_per_tesla"] = self.rest, self.gain[:, 0] / self._p.tesla_per_count
        record["drift_counts_per_k"] = self._p.drift_counts_per_k * self._drift_share
