"""How the rows of a stream are cut into the chunks and shards of a Zarr store."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

MIN_UNIT_ROWS = 60
SHARD_UNITS = 300
CHUNK_UNITS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 25, 30, 50, 60, 75, 100, 150, 300)
"""Divisors of SHARD_UNITS, so that a shard always holds whole chunks."""
MIN_CHUNK_BYTES = 64 << 10
"""zarr-python spends about 0.3 ms a chunk whatever its size: below this, reading and sealing slow down."""


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """Cuts of one stream. The unit is one second of rows (at least 60); a shard is 300 units.

    A chunk is one unit where a row is large (`flux`: 100 rows, 221 kB) and as many units as make 64 kB where it is
    small.
    """

    rows: int
    unit_rows: int

    @classmethod
    def of(cls, rows: int, nominal_hz: float) -> StoreLayout:
        """Layout for so many rows at so many rows a second (0 where there is no rate)."""
        return cls(rows, max(MIN_UNIT_ROWS, round(nominal_hz)))

    def column(self, row_bytes: int) -> tuple[int, int]:
        """Rows of a chunk and of a shard for a column of so many bytes a row."""
        enough = (units for units in CHUNK_UNITS if units * self.unit_rows * row_bytes >= MIN_CHUNK_BYTES)
        units = next(enough, SHARD_UNITS)
        units_there = min(SHARD_UNITS, math.ceil(self.rows / self.unit_rows))
        chunk_units = min(units, units_there)
        return chunk_units * self.unit_rows, math.ceil(units_there / chunk_units) * chunk_units * self.unit_rows

    def spans(self) -> Iterator[tuple[int, int]]:
        """Row ranges (start, stop), a shard each."""
        shard_rows = SHARD_UNITS * self.unit_rows
        for start in range(0, self.rows, shard_rows):
            yield start, min(start + shard_rows, self.rows)
