"""Figures of a session's streams, for reports and listings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.reader import Session
from dataset_tools.stream import Stream
from skin_teleop.clock import NS_PER_MS


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """How complete one stream is."""

    rows: int
    nominal_hz: float
    """0 where rows come when something happens."""
    measured_hz: float
    max_gap_ms: float
    """Longest time between two rows, ms; 0 with fewer than two rows."""
    dropped: int
    """Rows that the producer could not hand to the recorder."""


def stream_statistics(stream: Stream) -> StreamStatistics:
    """Figures of one stream."""
    steps_ns = np.diff(stream.t_mono)
    attributes = stream.attributes
    return StreamStatistics(
        rows=stream.rows,
        nominal_hz=float(attributes["nominal_hz"]),
        measured_hz=float(attributes["measured_hz"]),
        max_gap_ms=float(steps_ns.max()) / NS_PER_MS if len(steps_ns) else 0.0,
        dropped=int(attributes["dropped"]),
    )


def session_statistics(session: Session) -> dict[str, StreamStatistics]:
    """Figures of every stream by name."""
    return {name: stream_statistics(stream) for name, stream in session.streams.items()}
