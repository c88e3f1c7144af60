"""Counts a stream while its rows pass by: how many, how fast, where rows are missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.messages import Array

GAP_PERIODS = 5
"""A pause longer than this many nominal periods is a gap."""
MAX_GAPS_LISTED = 1000
JITTER_BIN_NS, JITTER_BINS = 10_000, 10_000
"""Resolution and number of bins of the jitter's histogram: up to 100 ms, the last bin holds everything beyond."""


@dataclass
class StreamTally:
    """Totals of one stream; feed it every batch of `t_mono` in order."""

    nominal_hz: float
    rows: int = 0
    first_ns: int = 0
    last_ns: int = 0
    out_of_order: int = 0
    """Rows whose t_mono is not later than that of the row before; kept as they came."""
    gap_count: int = 0
    gaps: list[list[int]] = field(default_factory=list)
    """[start, end] of the first gaps, t_mono ns."""
    jitter_histogram: Array = field(default_factory=lambda: np.zeros(JITTER_BINS, np.int64))
    """Rows by how far the step before them departs from the nominal period."""

    def add(self, t_mono_ns: Array) -> None:
        """Count a batch of rows by their stamps (n,) int64 ns."""
        if self.rows == 0:
            self.first_ns = int(t_mono_ns[0])
            stamps = t_mono_ns
        else:
            stamps = np.concatenate([[self.last_ns], t_mono_ns])
        steps = np.diff(stamps)
        self.rows += len(t_mono_ns)
        self.last_ns = int(t_mono_ns[-1])
        self.out_of_order += int((steps <= 0).sum())
        if self.nominal_hz > 0:
            self._note_gaps(stamps, np.flatnonzero(steps > GAP_PERIODS * NS_PER_S / self.nominal_hz))
            self._note_jitter(steps)

    @property
    def measured_hz(self) -> float:
        """Mean rate between the first and the last row."""
        span_ns = self.last_ns - self.first_ns
        return (self.rows - 1) * NS_PER_S / span_ns if span_ns > 0 else 0.0

    def attributes(self, dropped: int) -> dict[str, Any]:
        """What the counts add to a stream's attributes."""
        return {
            "rows": self.rows,
            "measured_hz": round(self.measured_hz, 4),
            "out_of_order": self.out_of_order,
            "gap_count": self.gap_count,
            "gaps": self.gaps,
            "dropped": dropped,
        } | self._jitter()

    def jitter_ms(self, percent: float) -> float:
        """How far `percent` of the steps at most depart from the nominal period, ms; 0 before there are two rows."""
        counted = np.cumsum(self.jitter_histogram)
        edge = int(np.searchsorted(counted, counted[-1] * percent / 100)) + 1 if counted[-1] else 0
        return edge * JITTER_BIN_NS / NS_PER_MS

    def _jitter(self) -> dict[str, float]:
        if self.nominal_hz == 0:
            return {}
        return {f"jitter_ms_p{percent}": round(self.jitter_ms(percent), 2) for percent in (50, 99)}

    def _note_jitter(self, steps_ns: Array) -> None:
        departures = np.abs(steps_ns - round(NS_PER_S / self.nominal_hz)) // JITTER_BIN_NS
        self.jitter_histogram += np.bincount(np.minimum(departures, JITTER_BINS - 1), minlength=JITTER_BINS)

    def _note_gaps(self, stamps: Array, before: Array) -> None:
        self.gap_count += len(before)
        for k in before[: MAX_GAPS_LISTED - len(self.gaps)]:
            self.gaps.append([int(stamps[k]), int(stamps[k + 1])])
