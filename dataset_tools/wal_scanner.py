"""Reads a write-ahead log: every valid frame up to the first damaged one, and never a wrong row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dataset_tools.wal_frame import (
    CHECKED_BYTES,
    HEADER,
    LOG_VERSION,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    SCHEMA_STREAM,
    StreamSchema,
    checksum,
    read_schema,
)
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

LOG_FILE = re.compile(r"[0-9]{6}\.wal")


@dataclass(frozen=True, eq=False)
class Frame:
    """One batch of rows of one stream."""

    stream: StreamSchema
    rows: Array
    """(n,) structured rows."""
    payload_offset: int
    """Where the rows begin in the file, bytes."""


class FileScan:
    """One pass over a log file. After the iteration `offset` is the end of the last valid frame and `fault` says what
    stopped the scan; it is empty when the file ended where a frame ended.

    `streams` is filled from the file's schema frames. A writer may still be appending: a new scan from `offset` with
    the same `streams` goes on where this one ended.
    """

    def __init__(self, path: Path, streams: dict[int, StreamSchema], offset: int = 0) -> None:
        self.path = path
        self.streams = streams
        self.offset = offset
        self.fault = ""

    def __iter__(self) -> Iterator[Frame]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while (frame := self._next_valid(file)) is not None:
                number, row_count, payload = frame
                if number == SCHEMA_STREAM:
                    self.streams.update(read_schema(payload))
                elif not self._fits(number, row_count, payload):
                    return
                else:
                    stream = self.streams[number]
                    rows = np.frombuffer(payload, stream.dtype)
                    yield Frame(stream, rows, self.offset + HEADER.size)
                self.offset += HEADER.size + len(payload)

    def _next_valid(self, file: BinaryIO) -> tuple[int, int, bytes] | None:
        header = file.read(HEADER.size)
        if len(header) < HEADER.size:
            self.fault = "the last header is cut short" if header else ""
            return None
        magic, number, version, row_count, length, crc = HEADER.unpack(header)
        if magic != MAGIC or length > MAX_PAYLOAD_BYTES:
            self.fault = "bytes that are no frame"
            return None
        payload = file.read(length)
        if len(payload) < length or checksum(header[:CHECKED_BYTES], payload) != crc:
            self.fault = "the last frame is cut short" if len(payload) < length else "a checksum does not match"
            return None
        if version > LOG_VERSION:
            raise SessionError(
                f"the log {self.path} was written by a newer release",
                found=f"log version {version}",
                allowed=f"up to {LOG_VERSION}",
                next_step="update skin-teleop",
            )
        return number, row_count, payload

    def _fits(self, number: int, row_count: int, payload: bytes) -> bool:
        stream = self.streams.get(number)
        if stream is None or stream.dtype.itemsize * row_count != len(payload):
            self.fault = "rows of a stream that was not declared"
            return False
        return True


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a log file that could not be used."""

    file: str
    offset: int
    lost_bytes: int
    reason: str


def frame_follows(path: Path, damage: Damage) -> bool:
    """Whether a whole frame stands somewhere in the bytes that could not be used.

    A writer that died leaves a torn end and nothing after it; bytes that went bad later have good frames behind them.
    """
    with path.open("rb") as file:
        file.seek(damage.offset)
        lost = file.read(damage.lost_bytes)
    at = lost.find(MAGIC, 1)
    while at >= 0:
        head = lost[at : at + HEADER.size]
        if len(head) == HEADER.size:
            *_, length, crc = HEADER.unpack(head)
            payload = lost[at + HEADER.size : at + HEADER.size + length]
            if length <= MAX_PAYLOAD_BYTES and checksum(head[:CHECKED_BYTES], payload) == crc:
                return True
        at = lost.find(MAGIC, at + 1)
    return False


def log_files(folder: Path) -> list[Path]:
    """The files of a log folder in the order in which they were written."""
    return sorted(folder.glob("*.wal"))


def lost_files(files: list[Path]) -> list[str]:
    """Names that are missing in the row of numbers: a writer begins with 0 and leaves none out."""
    numbers = {int(path.stem) for path in files if LOG_FILE.fullmatch(path.name)}
    return [f"{number:06d}.wal" for number in range(max(numbers, default=0)) if number not in numbers]
