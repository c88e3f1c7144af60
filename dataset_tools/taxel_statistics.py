"""What every taxel of a collection said: count, mean, deviation, lowest and highest, mergeable without any loss.

Counts are integers, so their sum and the sum of their squares are exact, and so is every merge, in any order. One
session's figures are worked out once and kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dataset_tools.reader import Session
from dataset_tools.session_cache import keep_figures, load_figures
from skin_teleop.messages import N_TAXELS, Array

KIND, VERSION = "taxels", 1
BLOCK_ROWS = 3000
SHAPE = (N_TAXELS, 3)


@dataclass(frozen=True, slots=True, eq=False)
class TaxelStatistics:
    """Figures of raw counts over all rows of one or many sessions, (368, 3) each.

    Sums of squares stay exact in int64 up to 2e9 rows (2**63 over 65535 squared), half a year at 100 Hz.
    """

    count: int
    total: Array
    """int64 sum of the counts."""
    squares: Array
    """int64 sum of their squares."""
    low: Array
    """int64 lowest, 65535 where there is no row."""
    high: Array
    """int64 highest, 0 where there is no row."""

    def merged(self, other: TaxelStatistics) -> TaxelStatistics:
        """The figures of both together, exactly those of all rows at once."""
        return TaxelStatistics(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def mean(self) -> Array:
        """(368, 3) counts; NaN without rows."""
        return np.asarray(self.total / self.count) if self.count else np.full(SHAPE, np.nan)

    @property
    def m2(self) -> Array:
        """(368, 3) sum of squared distances from the mean, as Welford's and Chan's methods name it."""
        if not self.count:
            return np.full(SHAPE, np.nan)
        exact = self.count * self.squares.astype(object) - self.total.astype(object) ** 2  # beyond 64 bits
        return np.asarray((exact / self.count).astype(np.float64))

    @property
    def deviation(self) -> Array:
        """(368, 3) standard deviation of the rows, counts."""
        return np.asarray(np.sqrt(self.m2 / self.count)) if self.count else self.m2

    def to_arrays(self) -> dict[str, Array]:
        """The sums as they are kept, by name."""
        named = {"total": self.total, "squares": self.squares, "low": self.low, "high": self.high}
        return {"count": np.array(self.count), **named}


def no_taxels() -> TaxelStatistics:
    """Figures of no row at all: what a merge begins with."""
    zeros = np.zeros(SHAPE, np.int64)
    return TaxelStatistics(0, zeros, zeros, np.full(SHAPE, 65535), zeros)


def session_taxels(session: Session) -> TaxelStatistics:
    """Figures of one session; from the file beside it where they were worked out before. A session without skin has
    none."""
    stored = load_figures(session, KIND, VERSION)
    if stored is not None:
        return TaxelStatistics(int(stored.pop("count")), **stored)
    found = _counted(session)
    keep_figures(session, KIND, VERSION, found.to_arrays())
    return found


def collection_taxels(sessions: Iterable[Session]) -> TaxelStatistics:
    """Figures of many sessions together."""
    together = no_taxels()
    for session in sessions:
        together = together.merged(session_taxels(session))
    return together


def _counted(session: Session) -> TaxelStatistics:
    found = no_taxels()
    skin = session.streams.get(session.meta["rig"]["skin"]["name"])
    if skin is not None:
        for start in range(0, skin.rows, BLOCK_ROWS):
            found = found.merged(of_rows(skin.read("flux", start, start + BLOCK_ROWS)))
    return found


def of_rows(flux: Array) -> TaxelStatistics:
    """Figures of rows (n, 368, 3) uint16, at least one."""
    exact = flux.astype(np.int64)
    squares = np.einsum("tka,tka->ka", exact, exact)
    return TaxelStatistics(len(flux), exact.sum(axis=0), squares, exact.min(axis=0), exact.max(axis=0))
