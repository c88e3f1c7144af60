"""Time on the host: integer nanoseconds, one stamp per sample, absolute deadlines."""

from __future__ import annotations

import time
from dataclasses import dataclass

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
ABSENT_NS = -(2**63)
"""Value of `t_dev` where a device has no clock of its own (INT64_MIN)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a sample was received: device clock, host monotonic clock, wall clock (all ns)."""

    t_dev: int
    t_mono: int
    t_wall: int

    @classmethod
    def now(cls, t_dev_ns: int = ABSENT_NS) -> Stamp:
        """Stamp with the host's clocks as they are now."""
        return cls(t_dev_ns, time.monotonic_ns(), time.time_ns())


def mono_ns() -> int:
    """CLOCK_MONOTONIC of this host, ns: the only join key between streams."""
    return time.monotonic_ns()


class Ticker:
    """Absolute deadlines at a fixed period; a missed deadline is counted and never made up in a burst."""

    def __init__(self, period_ns: int) -> None:
        self.period_ns = period_ns
        self.overruns = 0
        self._next_ns = mono_ns() + period_ns

    def seconds_left(self) -> float:
        """Seconds until the next deadline, at least 0."""
        return max(0, self._next_ns - mono_ns()) / NS_PER_S

    def advance(self) -> int:
        """Move to the next deadline and return the one reached last, which is less than a period ago (monotonic ns)."""
        missed = max(0, mono_ns() - self._next_ns) // self.period_ns
        self.overruns += missed
        reached = self._next_ns + missed * self.period_ns
        self._next_ns = reached + self.period_ns
        return reached
