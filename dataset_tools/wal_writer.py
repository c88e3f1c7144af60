"""Appends packed rows to a write-ahead log: one `writev` a batch, files rotated by size and age."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dataset_tools.wal_frame import SCHEMA_STREAM, StreamSchema, frame_header, schema_payload
from dataset_tools.wal_sync import LogSync
from skin_teleop.errors import SessionError

ROTATE_BYTES = 64 << 20
ROTATE_S = 60.0
PENDING_BYTES = 4 << 20
"""A batch is written early when it holds this much, so that its frames stay far below the length limit."""


class WalWriter:
    """Writer of one log folder.

    Rows wait in memory until `flush`; whatever `flush` has written survives the death of the process, and the death of
    the machine once the sync thread has passed. Every disk error is a SessionError; what was written stays.
    """

    def __init__(
        self, folder: Path, *, sync_ms: int = 150, rotate_bytes: int = ROTATE_BYTES, rotate_s: float = ROTATE_S
    ) -> None:
        self.folder = folder
        self.bytes_written = 0
        self._rotate_bytes, self._rotate_s = rotate_bytes, rotate_s
        self._streams: list[StreamSchema] = []
        self._row_bytes: dict[int, int] = {}
        self._schema_written = False
        self._pending: dict[int, list[bytes]] = {}
        self._pending_bytes = 0
        self._file_index = len(list(folder.glob("*.wal")))
        self._descriptor = -1
        self._file_bytes, self._file_opened_s = 0, 0.0
        self._sync = LogSync(folder, sync_ms / 1000)
        self._sync.start()

    def declare(self, stream: StreamSchema) -> None:
        """Announce a stream before its first row."""
        self._streams.append(stream)
        self._row_bytes[stream.number] = stream.dtype.itemsize
        self._schema_written = False

    def append(self, number: int, rows: bytes) -> None:
        """Queue packed rows of a declared stream for the next batch; raises SessionError when the disk fails."""
        self._pending.setdefault(number, []).append(rows)
        self._pending_bytes += len(rows)
        if self._pending_bytes >= PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write everything queued in one call to the system; raises SessionError when the disk fails."""
        batch, self._pending, self._pending_bytes = self._pending, {}, 0
        if self._sync.failure is not None:
            raise self._failed(self._sync.failure)
        try:
            if self._rotation_is_due():
                self._open_next_file()
            self._write(self._frames(batch))
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Write what is queued, bring it to the disk and close; raises SessionError when the disk fails."""
        try:
            self.flush()
        finally:
            self._sync.close()
        if self._sync.failure is not None:
            raise self._failed(self._sync.failure)

    def abandon(self) -> None:
        """Close after a failure: rows still queued are given up, everything written is kept."""
        self._sync.close()

    def _frames(self, batch: dict[int, list[bytes]]) -> list[bytes]:
        buffers: list[bytes] = []
        if not self._schema_written:
            schema = schema_payload(self._streams)
            buffers += [frame_header(SCHEMA_STREAM, len(self._streams), schema), schema]
            self._schema_written = True
        for number, parts in batch.items():
            payload = b"".join(parts)
            buffers += [frame_header(number, len(payload) // self._row_bytes[number], payload), payload]
        return buffers

    def _write(self, buffers: list[bytes]) -> None:
        if not buffers:
            return
        total = sum(map(len, buffers))
        written = os.writev(self._descriptor, buffers)
        rest = b"".join(buffers)[written:] if written < total else b""
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._file_bytes += total
        self.bytes_written += total

    def _rotation_is_due(self) -> bool:
        too_old = time.monotonic() - self._file_opened_s >= self._rotate_s
        return self._descriptor < 0 or too_old or self._file_bytes >= self._rotate_bytes

    def _open_next_file(self) -> None:
        path = self.folder / f"{self._file_index:06d}.wal"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self._sync.watch(self._descriptor)
        self._file_index += 1
        self._file_bytes, self._file_opened_s = 0, time.monotonic()
        self._schema_written = False

    def _failed(self, error: OSError) -> SessionError:
        sessions = self.folder.parent.parent
        return SessionError(
            f"cannot write to the log {self.folder}",
            found=f"{error.strerror or error}",
            allowed="a local disk with free space",
            next_step=f"what was written is kept; free some space, then run: skin-teleop recover {sessions}",
        )
