"""When a taxel speaks: the sensor boards scan at 88.8 Hz and send a taxel only when its value has moved.

Cited: frame times of a real capture are whole multiples of 11.26 ms, and the taxels of a resting Allegro kit are
updated 2.4 to 4.7 times a second (XELA uSPa46 manual; one frame of the kit in invokelshn/xela_apps). How a board
decides is not public; a threshold and a rare random resend give those figures (fitted). Now and then the packets of
a whole pad are lost, and its taxels keep their last values. Bus load is not modelled.
"""

from __future__ import annotations

import numpy as np

from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

SCAN_NS = 11_260_000
MOVED_COUNTS = 8
"""Fitted: about four times the noise, so that noise alone sends a taxel about once a second."""
RESEND_PROBABILITY = 0.032
"""Fitted: per scan and taxel; brings the updates of a resting taxel to about 3.6 a second."""
RATE_WINDOW_S = 10.0
"""Time over which updates per second are averaged."""


class SkinScan:
    """Holds what the server last heard of every taxel."""

    def __init__(self, first_counts: Array, layout: SkinLayout, parameters: SkinParameters, seed: int) -> None:
        self._pad_of_taxel, self._n_pads = layout.pad_index, len(layout.pads)
        self._loss = parameters.packet_loss
        self._random = np.random.default_rng([seed, 2])
        self._next_ns = 0
        self.counts = first_counts.copy()
        """(368, 3) uint16, the values last sent."""
        self.updates_per_s = np.full(N_TAXELS, 3.5)
        """(368,) updates a second, running mean."""

    def update(self, counts: Array, now_ns: int) -> None:
        """Offer the counts of this moment (368, 3); they are looked at when the next scan is due."""
        if now_ns < self._next_ns:
            return
        self._next_ns = max(self._next_ns + SCAN_NS, now_ns - SCAN_NS)
        moved = np.abs(counts.astype(np.int32) - self.counts).max(-1) > MOVED_COUNTS
        sent = moved | (self._random.random(N_TAXELS) < RESEND_PROBABILITY)
        sent &= (self._random.random(self._n_pads) >= self._loss)[self._pad_of_taxel]
        self.counts[sent] = counts[sent]
        share = SCAN_NS / NS_PER_S / RATE_WINDOW_S
        self.updates_per_s += share * (sent * NS_PER_S / SCAN_NS - self.updates_per_s)
