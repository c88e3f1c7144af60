"""From the field in a cell to the counts on the wire: offset, gain, drift, noise, faults, sixteen bits."""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.messages import N_TAXELS
from skin_teleop.transforms import Array

MAX_COUNTS = 65535
FRAME_S = 0.01
"""Period of the frames that the random walk is given for."""


class Readout:
    """One instance of the electronics: the same seed gives the same offsets, gains and faults."""

    def __init__(self, parameters: SkinParameters, seed: int, noise_seed: int) -> None:
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
        self._fault, self._stuck_at = self._faults(skin)
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
        self.time_s += dt_s
        walk, noise = self._noise.standard_normal((2, N_TAXELS, 3), np.float32)
        self._walk += np.float32(self._p.walk_counts * np.sqrt(dt_s / FRAME_S)) * walk
        warmer_k = self._p.warm_up_k * -np.expm1(-self.time_s / self._p.warm_up_s)
        counts = self.rest + self.gain * field_t / self._p.tesla_per_count + self._walk
        counts += self._p.drift_counts_per_k * warmer_k * self._drift_share + self._p.noise_counts * noise
        sent = np.clip(np.rint(counts), 0, MAX_COUNTS).astype(np.uint16)
        sent[self._fault] = self._stuck_at
        return sent
