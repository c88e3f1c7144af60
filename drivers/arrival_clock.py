"""When a CAN frame arrived, on the monotonic clock, from the wall-clock stamp that its bus gives.

Kernels stamp frames with CLOCK_REALTIME, which NTP may step at any moment. Each frame's stamp is mapped by a paired
reading of both clocks at the moment it is read, and where that reading shows that the wall clock was stepped, the
frames that were already waiting count from the moment of reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from skin_teleop.clock import NS_PER_MS, mono_ns

STAMP_SOURCE = {"socketcan": "kernel", "udp_multicast": "kernel", "skin_teleop_local": "sender"}
"""python-can interfaces whose `timestamp` is CLOCK_REALTIME at arrival (SO_TIMESTAMPNS), the local bus: at sending.

Others give the moment at which python-can read the frame (slcan, virtual) or a clock of their own (pcan).
"""
MAX_STAMP_AGE_NS = 50 * NS_PER_MS
"""An older or future stamp cannot be mapped: then the moment of reading counts."""
STEP_NS = NS_PER_MS // 2
"""A change of the clocks' difference between two readings that no slewing makes (500 ppm is 0.5 ms in a second)."""
STEP_PATIENCE_NS = 1_000 * NS_PER_MS
"""Readings further apart than this are not compared, since slewing may have moved the wall clock as far as a step."""
PAIRING_ATTEMPTS, PAIRING_SPREAD_NS = 3, 10_000

ClockPair = Callable[[], tuple[int, int]]


def stamp_source_of(interface: str) -> str:
    """What stamps a python-can interface gives: a key of `skin_teleop.messages.STAMP_SOURCES`."""
    return STAMP_SOURCE.get(interface, "host")


def paired_clocks() -> tuple[int, int]:
    """Monotonic and wall clock at one moment, ns; read again when this thread was interrupted in between."""
    for _ in range(PAIRING_ATTEMPTS):
        before_ns, wall_ns, after_ns = mono_ns(), time.time_ns(), mono_ns()
        if after_ns - before_ns <= PAIRING_SPREAD_NS:
            break
    return after_ns, wall_ns


class ArrivalClock:
    """Arrival times of one bus's frames, strictly increasing; ask for each frame right after it was read."""

    def __init__(self, interface: str, clocks: ClockPair = paired_clocks) -> None:
        self._clocks = clocks
        self._trusts_stamps = stamp_source_of(interface) != "host"
        self._arrived_ns = 0
        self._paired_ns: int | None = None
        self._offset_ns = 0
        self._stepped_ns = 0
        self.steps = 0
        """Steps of the wall clock seen."""
        self.unmapped = 0
        """Frames of a stamping interface that count from the moment of reading."""

    def arrival_ns(self, timestamp_s: float) -> int:
        """Monotonic ns at which a frame arrived, from its `timestamp` (s since the epoch)."""
        if not self._trusts_stamps:
            return mono_ns()
        now_ns, wall_ns = self._clocks()
        self._watch_for_a_step(now_ns, wall_ns - now_ns)
        age_ns = wall_ns - round(timestamp_s * 1e9)
        arrived_ns = now_ns - age_ns
        if not 0 <= age_ns <= MAX_STAMP_AGE_NS or arrived_ns < self._stepped_ns:
            arrived_ns = now_ns
            self.unmapped += 1
        self._arrived_ns = max(self._arrived_ns + 1, arrived_ns)  # frames of a bus follow one another
        return self._arrived_ns

    def _watch_for_a_step(self, now_ns: int, offset_ns: int) -> None:
        recent = self._paired_ns is not None and now_ns - self._paired_ns < STEP_PATIENCE_NS
        if recent and abs(offset_ns - self._offset_ns) > STEP_NS:
            self.steps += 1
            self._stepped_ns = now_ns
        self._paired_ns, self._offset_ns = now_ns, offset_ns
