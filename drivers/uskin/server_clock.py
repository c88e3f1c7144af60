"""The vendor server's clock beside ours: offset and drift from stamps that travel one way only.

A broadcast carries the server's time and arrives a little later, by an unknown transit that is never negative. The
fastest broadcast of each second says most; a straight line through the last minute's fastest ones is the clock, and how
far a reading lies off that line is its residual. A constant part of the transit cannot be told from the offset.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from skin_teleop.clock import ABSENT_NS, NS_PER_MS

REMEMBERED = 60
"""Readings, one a second, that the line goes through."""
LEAST_READINGS = 5
"""Fewer say nothing of the drift."""
STEP_NS = 100 * NS_PER_MS
"""A residual beyond this is a clock that was set, not a transit: the line begins anew."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The fastest broadcast of a second."""

    device_ns: int
    """Server's clock, ns since its epoch."""
    mono_ns: int
    """Host CLOCK_MONOTONIC at its arrival."""
    residual_ns: float
    """Offset of this reading less that of the line, NaN before there is one."""
    drift_ppm: float
    """How much faster the server's clock runs than ours, NaN before it is known."""


class ServerClock:
    """Takes every broadcast's stamp and arrival; gives one reading a second. Pure, time is injected."""

    def __init__(self) -> None:
        self._fastest: tuple[int, int] | None = None
        self._readings: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self.steps = 0
        """How often the server's clock was set."""

    def heard(self, device_ns: int, mono_ns: int) -> None:
        """Note a broadcast's stamp and when it arrived."""
        if device_ns == ABSENT_NS:
            return
        if self._fastest is None or device_ns - mono_ns > self._fastest[0] - self._fastest[1]:
            self._fastest = device_ns, mono_ns

    def take(self) -> Reading | None:
        """The fastest broadcast since the last call, with what the line says; None when none came."""
        if self._fastest is None:
            return None
        (device_ns, mono_ns), self._fastest = self._fastest, None
        residual_ns, drift_ppm = self._against_line(device_ns, mono_ns)
        if abs(residual_ns) > STEP_NS:
            self.steps += 1
            self._readings.clear()
            residual_ns = drift_ppm = math.nan
        self._readings.append((device_ns, mono_ns))
        return Reading(device_ns, mono_ns, residual_ns, drift_ppm)

    def _against_line(self, device_ns: int, mono_ns: int) -> tuple[float, float]:
        """How far a reading is off the line of the earlier ones, ns, and that line's slope, ppm."""
        if not self._readings:
            return math.nan, math.nan
        base_ns = device_ns - mono_ns
        at_s = np.array([(mono - mono_ns) / 1e9 for _, mono in self._readings])
        offset_ns = np.array([device - mono - base_ns for device, mono in self._readings], float)
        if len(self._readings) < LEAST_READINGS:
            return -float(offset_ns.mean()), math.nan
        slope, now_ns = np.polyfit(at_s, offset_ns, 1)
        return -float(now_ns), float(slope) / 1e3
