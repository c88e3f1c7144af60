"""When a taxel speaks: the sensor boards scan at 88.8 Hz and send a taxel only when its value has moved.

Cited: frame times of a real capture are whole multiples of 11.26 ms, and the taxels of a resting Allegro kit are
updated 2.4 to 4.7 times a second (XELA uSPa46 manual; one frame of the kit in invokelshn/xela_apps). How a board
decides is not public; a threshold and a rare random resend give those figures (fitted). Now and then the packets of
a whole pad are lost, and its taxels keep their last values. Bus load is not modelled.
"""

from __future__ import annotations

import ctypes

import numpy as np

from drivers.simulated.skin.library import skin_library
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
SCANS_PER_S = NS_PER_S / SCAN_NS
SCAN_SHARE = 1 / SCANS_PER_S / RATE_WINDOW_S


class SkinScan:
    """Holds what the server last heard of every taxel."""

    def __init__(
        self,
        first_counts: Array,
        layout: SkinLayout,
        parameters: SkinParameters,
        seed: int,
        compiled: bool = True,
    ) -> None:
        self._pad_of_taxel = np.ascontiguousarray(layout.pad_index, np.int64)
        self._loss = parameters.packet_loss
        self._random = np.random.default_rng([seed, 2])
        self._draws, self._losses = np.zeros(N_TAXELS), np.zeros(len(layout.pads))
        self._next_ns = 0
        self._offered = first_counts.copy()
        self.counts = first_counts.copy()
        """(368, 3) uint16, the values last sent."""
        self.updates_per_s = np.full(N_TAXELS, 3.5)
        """(368,) updates a second, running mean."""
        self._library = skin_library() if compiled else None
        self._arguments = self._native_arguments()

    def update(self, counts: Array, now_ns: int) -> None:
        """Offer the counts of this moment (368, 3); they are looked at when the next scan is due."""
        if now_ns < self._next_ns:
            return
        self._next_ns = max(self._next_ns + SCAN_NS, now_ns - SCAN_NS)
        self._random.random(out=self._draws)
        self._random.random(out=self._losses)
        if self._library is not None:
            self._offered[:] = counts
            self._library.scan_taxels(*self._arguments)
        else:
            self._scan(counts)

    def _scan(self, counts: Array) -> None:
        """The reference: `scan_taxels` of native/skin.c is the same compiled."""
        moved = np.abs(counts.astype(np.int32) - self.counts).max(-1) > MOVED_COUNTS
        sent = moved | (self._draws < RESEND_PROBABILITY)
        sent &= (self._losses >= self._loss)[self._pad_of_taxel]
        self.counts[sent] = counts[sent]
        self.updates_per_s += SCAN_SHARE * (sent * SCANS_PER_S - self.updates_per_s)

    def _native_arguments(self) -> list[object]:
        offered, pads, draws, losses, held, rate = (
            ctypes.c_void_p(buffer.ctypes.data)
            for buffer in (
                self._offered,
                self._pad_of_taxel,
                self._draws,
                self._losses,
                self.counts,
                self.updates_per_s,
            )
        )
        numbers = (ctypes.c_double(number) for number in (RESEND_PROBABILITY, self._loss, SCAN_SHARE, SCANS_PER_S))
        return [offered, pads, draws, losses, ctypes.c_int64(MOVED_COUNTS), *numbers, held, rate]
