"""What a stream knew at given times: the newest row measured by then, and how old it was.

Nothing is interpolated. A trainer masks what is too old instead of trusting a value that was held for too long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.stream import Stream
from skin_teleop.messages import Array

NEVER_NS = -1
"""Age where no row had been measured yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Values of one column at given times."""

    values: Array
    """(n, ...) in the column's own dtype; the first row's values where nothing had been measured yet."""
    age_ns: Array
    """(n,) int64 ns since the value was measured, -1 where nothing had been measured yet."""
    row: Array
    """(n,) int64 row that the value stands in, -1 where there is none."""


def measured_ns(stream: Stream) -> Array:
    """When each row was measured, (rows,) int64 ns of t_mono: the receive stamp less the stream's latency."""
    stamps: Array = stream.t_mono - int(stream.attributes["latency_ns"])
    return stamps


def rows_between(stream: Stream, start_ns: int, stop_ns: int) -> slice:
    """Rows measured at or after `start_ns` and before `stop_ns` (t_mono)."""
    first, last = np.searchsorted(measured_ns(stream), [start_ns, stop_ns])
    return slice(int(first), int(last))


def held_at(stream: Stream, field: str, times_ns: Array) -> Held:
    """The newest value of a column at each of the times (n,) int64 ns of t_mono, in ascending order, with its age."""
    measured = measured_ns(stream)
    row = np.searchsorted(measured, times_ns, side="right") - 1  # (n,)
    known = row >= 0
    picked = np.maximum(row, 0)
    first, last = int(picked.min(initial=0)), int(picked.max(initial=0))
    values = stream.read(field, first, last + 1)[picked - first]
    return Held(values, np.where(known, times_ns - measured[picked], NEVER_NS), np.where(known, row, -1))
