"""A made-up recording with the rates and sizes of the live rig, for benchmarks of what stores it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import Array, HandPose, JointState, JointTarget, Sample, SkinFrame, WristTarget

BATCH_S = 0.1
"""Rows are handed over a tenth of a second at a time, to every writer alike."""
STREAMS: dict[str, tuple[type[Sample], float]] = {
    "uskin": (SkinFrame, 100.0),
    "allegro": (JointState, 1000 / 3),
    "hand_pose": (HandPose, 72.0),
    "allegro_target": (JointTarget, 72.0),
    "wrist": (WristTarget, 72.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Rows of every stream, (n,) structured, in order of time."""

    seconds: float
    rows: dict[str, Array]

    @property
    def row_count(self) -> int:
        """Rows of all streams."""
        return sum(map(len, self.rows.values()))

    @property
    def byte_count(self) -> int:
        """Bytes of all rows."""
        return sum(rows.nbytes for rows in self.rows.values())

    def batches(self) -> Iterator[dict[str, Array]]:
        """Stream name to the rows of one tenth of a second, in order of time."""
        for k in range(round(self.seconds / BATCH_S)):
            edges = [NS_PER_S + round(i * BATCH_S * NS_PER_S) for i in (k, k + 1)]
            cuts = {name: np.searchsorted(rows["t_mono"], edges) for name, rows in self.rows.items()}
            yield {name: self.rows[name][first:last] for name, (first, last) in cuts.items()}


def live_workload(seconds: float) -> Workload:
    """Noise around 33000 counts on the skin, smooth joints; the same bytes in every run."""
    return Workload(seconds, {name: made_up_rows(kind, hz, seconds) for name, (kind, hz) in STREAMS.items()})


def made_up_rows(kind: type[Sample], hz: float, seconds: float) -> Array:
    """Rows of one message type at a steady rate, (n,)."""
    rng, rows = np.random.default_rng(5), np.zeros(int(hz * seconds), kind.row_dtype())
    rows["t_mono"] = NS_PER_S + (np.arange(len(rows)) * NS_PER_S / hz).astype(np.int64)
    rows["t_wall"], rows["seq"] = rows["t_mono"] + 1_700_000_000 * NS_PER_S, np.arange(len(rows))
    for name in (rows.dtype.names or ())[5:]:
        column = rows[name]
        if name == "flux":
            column[:] = 33_000 + rng.integers(-4, 5, column.shape)
        elif column.dtype.kind == "f":
            column[:] = rng.normal(0, 0.01, column.shape).cumsum(axis=0)
    return rows
