"""A session as lowest and highest values in ever coarser buckets of time: what a picture needs at any zoom.

The finest level is worked out from every row once; each further level joins four buckets of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.overview_sources import Lane, Source, lane_sources, stream_rate
from dataset_tools.reader import Session
from dataset_tools.session_cache import keep_figures, load_figures
from skin_teleop.clock import NS_PER_MS
from skin_teleop.messages import Array

KIND, VERSION = "overview", 1
BUCKET_NS = 100 * NS_PER_MS
"""Finest level of a whole session: one hour becomes 36 000 buckets."""
CLOSE_BUCKET_NS = 10 * NS_PER_MS
"""Finest level of a short span: the skin's period."""
JOINED = 4
COARSEST_BUCKETS = 1000
BLOCK_ROWS = 3000


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One resolution; NaN where a bucket holds no row."""

    bucket_ns: int
    low: Array
    """(n, lanes) float32 lowest values."""
    high: Array
    """(n, lanes) float32 highest values."""


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """A span of a session at several resolutions, the finest first."""

    start_ns: int
    end_ns: int
    lanes: tuple[Lane, ...]
    levels: tuple[Level, ...]

    def part(self, start_ns: int, end_ns: int) -> Overview:
        """The buckets that a span (t_mono ns) touches."""
        finest = self.levels[0]
        first, last = ((t_ns - self.start_ns) // finest.bucket_ns for t_ns in (start_ns, end_ns))
        rows = slice(max(0, first), last + 1)
        inside = Level(finest.bucket_ns, finest.low[rows], finest.high[rows])
        return Overview(self.start_ns + rows.start * finest.bucket_ns, end_ns, self.lanes, _pyramid(inside))


def session_overview(session: Session) -> Overview:
    """The whole session; read from the file beside it where a sealed session was looked at before."""
    stored = load_figures(session, KIND, VERSION)
    if stored is not None:
        return _from_arrays(stored)
    built = build_overview(session, session.start_ns, session.end_ns, BUCKET_NS)
    keep_figures(session, KIND, VERSION, _to_arrays(built))
    return built


def build_overview(session: Session, start_ns: int, end_ns: int, bucket_ns: int) -> Overview:
    """Work out a span (t_mono ns) from its rows, a few seconds of rows in memory at a time."""
    count = max(1, -(-(end_ns + 1 - start_ns) // bucket_ns))
    lanes, lows, highs = list[Lane](), list[Array](), list[Array]()
    for source in lane_sources(session):
        low, high = _lowest_and_highest(source, start_ns, count, bucket_ns)
        lanes += source.lanes
        lows.append(low)
        highs.append(high)
    times_ns = start_ns + bucket_ns * np.arange(count)
    for stream in session.streams.values():
        if stream.attributes["nominal_hz"] > 0:
            lanes.append(Lane("rate", stream.name, "Hz"))
            lows.append(stream_rate(stream, start_ns, times_ns)[:, None])
            highs.append(lows[-1])
    finest = Level(bucket_ns, np.concatenate(lows, axis=1), np.concatenate(highs, axis=1))
    return Overview(start_ns, end_ns, tuple(lanes), _pyramid(finest))


def _lowest_and_highest(source: Source, start_ns: int, count: int, bucket_ns: int) -> tuple[Array, Array]:
    low = np.full((count, len(source.lanes)), np.nan, np.float32)
    high = low.copy()
    t_mono = source.stream.t_mono
    first, last = np.searchsorted(t_mono, [start_ns, start_ns + count * bucket_ns])
    for start in range(int(first), int(last), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, int(last))
        bucket = np.clip((t_mono[start:stop] - start_ns) // bucket_ns, 0, count - 1)
        order = np.argsort(bucket, kind="stable")  # stamps that ran backwards are kept in sessions
        edges = np.flatnonzero(np.diff(bucket[order], prepend=-1))
        values, places = source.values(start, stop)[order], bucket[order][edges]
        low[places] = np.fmin(low[places], np.fmin.reduceat(values, edges, axis=0))
        high[places] = np.fmax(high[places], np.fmax.reduceat(values, edges, axis=0))
    return low, high


def _pyramid(finest: Level) -> tuple[Level, ...]:
    levels = [finest]
    while len(levels[-1].low) > COARSEST_BUCKETS:
        before = levels[-1]
        low, high = _joined(before.low, np.fmin), _joined(before.high, np.fmax)
        levels.append(Level(JOINED * before.bucket_ns, low, high))
    return tuple(levels)


def _joined(values: Array, join: np.ufunc) -> Array:
    """Every four buckets (n, lanes) as one."""
    joined: Array = join.reduceat(values, np.arange(0, len(values), JOINED), axis=0)
    return joined


def _to_arrays(overview: Overview) -> dict[str, Array]:
    finest = overview.levels[0]
    names = np.array([[lane.group, lane.name, lane.unit] for lane in overview.lanes])
    span = np.array([overview.start_ns, overview.end_ns, finest.bucket_ns])
    return {"lanes": names, "span": span, "low": finest.low, "high": finest.high}


def _from_arrays(stored: dict[str, Array]) -> Overview:
    start_ns, end_ns, bucket_ns = map(int, stored["span"])
    lanes = tuple(Lane(*map(str, row)) for row in stored["lanes"])
    return Overview(start_ns, end_ns, lanes, _pyramid(Level(bucket_ns, stored["low"], stored["high"])))
