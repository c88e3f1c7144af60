"""Streams that still lie in a write-ahead log: where their rows are, and how to read them without loading the log."""

from __future__ import annotations

import bisect
import itertools
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.events import EventRow, dropped_rows, read_events
from dataset_tools.session_folder import sealed_name
from dataset_tools.stream import Stream
from dataset_tools.stream_tally import StreamTally
from dataset_tools.wal_frame import StreamSchema
from dataset_tools.wal_scanner import Damage, FileScan, Frame, log_files, lost_files
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array


@dataclass(frozen=True, slots=True)
class _Piece:
    file: str
    offset: int
    first: int
    last: int


class LoggedStream(Stream):
    """A stream of a session that is being recorded, or was left as a log. It grows when its `LogIndex` refreshes."""

    def __init__(self, schema: StreamSchema, folder: Path) -> None:
        super().__init__(schema.name)
        self.schema = schema
        self.tally = StreamTally(float(schema.attributes["nominal_hz"]))
        self.dropped = 0
        self._folder = folder
        self._rows = 0
        self._new_stamps: list[Array] = []
        self._files: list[str] = []
        self._first_rows, self._file_numbers, self._offsets = array("q"), array("q"), array("q")

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all columns, stamps first."""
        return tuple(self.schema.dtype.names or ())

    @property
    def rows(self) -> int:
        """Number of rows found so far."""
        return self._rows

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes that the sealed stream would have now."""
        units = {name: facts["unit"] for name, facts in self.schema.units.items()}
        frames = {name: facts["frame"] for name, facts in self.schema.units.items() if facts["frame"]}
        described = {"message": self.schema.message, "units": units, "frame": frames}
        return self.schema.attributes | described | self.tally.attributes(self.dropped)

    def note(self, frame: Frame, file: str) -> None:
        """Remember where a batch of rows lies."""
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        self._first_rows.append(self._rows)
        self._file_numbers.append(len(self._files) - 1)
        self._offsets.append(frame.payload_offset)
        self._rows += len(frame.rows)
        self._new_stamps.append(frame.rows["t_mono"].copy())

    def settle(self) -> None:
        """Count what was noted since, and let `t_mono` be read anew."""
        if self._new_stamps:
            self.tally.add(np.concatenate(self._new_stamps))
            self._new_stamps.clear()
            self.__dict__.pop("t_mono", None)

    def read_rows(self, start: int, stop: int) -> Array:
        """Structured rows start..stop, (stop - start,); raises SessionError when the log has gone meanwhile."""
        rows = np.empty(stop - start, self.schema.dtype)
        raw, size = rows.view(np.uint8).data, self.schema.dtype.itemsize
        for file, pieces in itertools.groupby(self._pieces(start, stop), key=lambda piece: piece.file):
            with self._open(file) as log:
                for piece in pieces:
                    log.seek(piece.offset)
                    target = raw[(piece.first - start) * size : (piece.last - start) * size]
                    if log.readinto(target) != len(target):
                        raise self._gone()
        return rows

    def _pieces(self, start: int, stop: int) -> Iterator[_Piece]:
        """The parts of batches that cover rows start..stop, in order."""
        position = start
        batch = bisect.bisect_right(self._first_rows, start) - 1
        while position < stop:
            begin = self._first_rows[batch]
            end = self._first_rows[batch + 1] if batch + 1 < len(self._first_rows) else self._rows
            offset = self._offsets[batch] + (position - begin) * self.schema.dtype.itemsize
            yield _Piece(self._files[self._file_numbers[batch]], offset, position, min(end, stop))
            position, batch = end, batch + 1

    def _open(self, file: str) -> FileIO:
        try:
            return (self._folder / file).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise self._gone() from error

    def _gone(self) -> SessionError:
        session = self._folder.parent
        return SessionError(
            f"the log of {session} has gone",
            found="the session was sealed or moved meanwhile",
            next_step=f"open {sealed_name(session)}",
        )

    def _read(self, field: str, start: int, stop: int) -> Array:
        return np.ascontiguousarray(self.read_rows(start, stop)[field])


class LogIndex:
    """All streams of a log folder. `refresh` takes in what was appended since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.streams: dict[str, LoggedStream] = {}
        self._damage: dict[str, Damage] = {}
        self._schemas: dict[int, StreamSchema] = {}
        self._offsets: dict[str, int] = {}
        self.refresh()

    @property
    def damage(self) -> list[Damage]:
        """Bytes that could not be used; at the end of the newest file they may be a batch that is being written."""
        return list(self._damage.values())

    def refresh(self) -> None:
        """Scan from where the last scan ended. A damaged file is left at its first bad frame, later ones are read."""
        files = log_files(self.folder)
        for path in files[max(0, len(self._offsets) - 1) :]:
            scan = FileScan(path, self._schemas, self._offsets.get(path.name, 0))
            for frame in scan:
                self._stream(frame.stream).note(frame, path.name)
            self._offsets[path.name] = scan.offset
            self._damage.pop(path.name, None)
            fault = scan.fault or ("the file is empty" if scan.offset == 0 and path != files[-1] else "")
            if fault:
                lost = path.stat().st_size - scan.offset
                self._damage[path.name] = Damage(path.name, scan.offset, lost, fault)
        for name in lost_files(files):
            self._damage[name] = Damage(name, 0, 0, "the file is missing")
        for stream in self.streams.values():
            stream.settle()
        for name, count in dropped_rows(self.events()).items():
            if name in self.streams:
                self.streams[name].dropped = count

    def events(self) -> list[EventRow]:
        """Events in order of time."""
        stream = self.streams.get("events")
        return read_events(stream["t_mono"], stream["code"], stream["text"]) if stream is not None else []

    def _stream(self, schema: StreamSchema) -> LoggedStream:
        if schema.name not in self.streams:
            self.streams[schema.name] = LoggedStream(schema, self.folder)
        return self.streams[schema.name]
