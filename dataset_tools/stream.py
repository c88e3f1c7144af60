"""One stream of a session with one interface, wherever its rows lie: in a sealed store or still in the log."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr

from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, TypeError)
"""What Zarr and its decoders say of damaged or missing bytes."""
NUMBER_KINDS = "fiub"
"""Kinds of dtype that columns have: floats, integers and booleans."""


class Stream(ABC):
    """Rows of one source, each with its stamps. Columns are read when asked for and not kept, save `t_mono`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """Names of all columns, stamps first."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of rows."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """Source, nominal_hz, units, frame, clock, latency_ns, gaps, dropped and what else the session says."""

    @abstractmethod
    def _read(self, field: str, start: int, stop: int) -> Array: ...

    def read(self, field: str, start: int = 0, stop: int | None = None) -> Array:
        """Rows start..stop of one column, (n, ...) in the column's own dtype; bounds are clipped as in a slice.

        Raises SessionError for a column that the stream does not have.
        """
        if field not in self.fields:
            raise SessionError(
                f"stream {self.name} was asked for {field!r}", found="no such field", allowed=", ".join(self.fields)
            )
        first, last, _ = slice(start, stop).indices(self.rows)
        return self._read(field, first, max(first, last))

    def __getitem__(self, field: str) -> Array:
        """A whole column, (rows, ...)."""
        return self.read(field)

    @functools.cached_property
    def t_mono(self) -> Array:
        """(rows,) int64 ns, host CLOCK_MONOTONIC: the key that joins streams."""
        return self.read("t_mono")


class SealedStream(Stream):
    """A stream of a sealed session: lazy Zarr arrays."""

    def __init__(self, name: str, group: zarr.Group) -> None:
        super().__init__(name)
        self._attributes: dict[str, Any] = dict(group.attrs)
        self._columns = dict(group.arrays())

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of all columns, stamps first."""
        return tuple(key for key in self._attributes["units"] if key in self._columns)

    @property
    def rows(self) -> int:
        """Number of rows; raises SessionError when the stamps are not there."""
        if "t_mono" not in self._columns:
            raise SessionError(f"the rows of stream {self.name} were to be counted", found="no column t_mono")
        return int(self._columns["t_mono"].shape[0])

    @property
    def attributes(self) -> dict[str, Any]:
        """What the store says about the stream."""
        return self._attributes

    def _read(self, field: str, start: int, stop: int) -> Array:
        try:
            return np.asarray(self._columns[field][start:stop])
        except UNREADABLE as error:
            raise SessionError(
                f"{self.name}/{field} was to be read",
                found=f"cannot be decoded: {type(error).__name__}: {error}",
                next_step="skin-teleop check SESSION, or restore it from a backup",
            ) from error


class PackedStream(SealedStream):
    """A stream of a pack: every column is one file, mapped into memory; what `read` returns are views, read-only."""

    def __init__(self, name: str, group: zarr.Group) -> None:
        super().__init__(name, group)
        self._mapped = {field: mapped_column(array) for field, array in self._columns.items()}
        self._rows = super().rows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._rows

    def _read(self, field: str, start: int, stop: int) -> Array:
        return self._mapped[field][start:stop]


def column_file(array: Any) -> Path:
    """The file of the only chunk of a packed array (Zarr v3 default chunk keys: c/0/0...)."""
    return Path(array.store.root, array.path, "c", *("0" * array.ndim))


def mapped_column(array: Any) -> Array:
    """A packed array (rows, ...) as a read-only view of its file.

    Raises SessionError when the file is not whole, or holds anything but numbers: mapped objects would be pointers.
    """
    if array.dtype.kind not in NUMBER_KINDS:
        raise SessionError(
            f"the packed column {array.path} was to be mapped", found=f"{array.dtype}", allowed="a dtype of numbers"
        )
    file, wanted = column_file(array), int(np.prod(array.shape)) * array.dtype.itemsize
    found = file.stat().st_size if file.is_file() else 0
    if found != wanted:
        raise SessionError(
            f"the packed column {array.path} was to be mapped",
            found=f"{found} bytes in {file}",
            allowed=f"{wanted} bytes",
            next_step="pack the session again",
        )
    return np.asarray(np.memmap(file, array.dtype, "r", shape=array.shape))


def sealed_streams(root: zarr.Group, kind: type[SealedStream] = SealedStream) -> dict[str, SealedStream]:
    """All streams of a sealed store (or of a pack, as PackedStream) by name."""
    attributes: dict[str, Any] = dict(root.attrs)
    groups = [cast(zarr.Group, root[path]) for path in attributes["stream_groups"]]
    return {str(group.attrs["name"]): kind(str(group.attrs["name"]), group) for group in groups}
