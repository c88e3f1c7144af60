"""A session while it is being written: a new `.rec` folder, its lock, its session.json and its log."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dataset_tools.durable import rename_durably, write_json_durably
from dataset_tools.session_folder import (
    LIVE_SUFFIX,
    LOG_FOLDER,
    META_FILE,
    change_meta,
    new_meta,
    new_session_id,
    take_lock,
)
from dataset_tools.stream_facts import stream_attributes
from dataset_tools.wal_frame import StreamSchema
from dataset_tools.wal_writer import WalWriter
from skin_teleop.errors import SessionError, WireError
from skin_teleop.frames import STREAM_NAME, frame_head
from skin_teleop.messages import SAMPLE_TYPES, Event, Sample
from skin_teleop.rig import Rig

MAX_STREAMS = 64
EVENTS = "events"
OFFLINE_SYNC_MS = 60_000
"""What was simulated or imported can be made again: its log need not follow its rows to the disk, its seal must."""


class SessionLog:
    """Takes rows as they come and hands them to the log in batches; call `flush` at least every 100 ms."""

    def __init__(self, folder: Path, rig: Rig, lock: int, *, live: bool = True) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self.facts_at_end: dict[str, Any] = {}
        """Keys of session.json that are true only when every row is on the disk; `close` writes them."""
        self._rig = rig
        self._lock = lock
        self._live = live
        self._streams: dict[str, StreamSchema] = {}
        self._roads: dict[bytes, StreamSchema] = {}
        """First bytes of a bus frame (type NUL stream NUL) to the declared stream that its row belongs to."""
        self._own_events = 0
        self._dropped_told: dict[str, int] = {}
        self._wal = WalWriter(folder / LOG_FOLDER, sync_ms=rig.recorder.sync_ms if live else OFFLINE_SYNC_MS)

    @classmethod
    def create(
        cls,
        parent: Path,
        rig: Rig,
        *,
        object_name: str = "",
        plan: tuple[str, ...] = (),
        operator: str = "anonymous",
        live: bool = True,
    ) -> Self:
        """Start a session in a new folder of `parent`.

        Raises SessionError when there is no room or no permission, WireError when the object's name is too long.

        A recording of another time or clock is not `live`: events of start and stop, stamped now, would not be its own,
        and a power loss may cost all of it before `close`.

        The folder is built under a hidden name and appears complete: a `.rec` folder always has a session.json, a log
        and a lock.
        """
        session_id = new_session_id(rig.name)
        own = [Event.now("session_started", 0, id=session_id, object=object_name)] if live else []
        building = parent / f".{session_id}.new"
        folder = parent / (session_id + LIVE_SUFFIX)
        try:
            check_free_space(parent, rig.recorder.min_free_gb)
            (building / LOG_FOLDER).mkdir(parents=True)
            lock = take_lock(building)
            meta = new_meta(session_id, rig, object_name=object_name, plan=plan, operator=operator)
            write_json_durably(building / META_FILE, meta)
            rename_durably(building, folder)
        except OSError as error:
            shutil.rmtree(building, ignore_errors=True)
            raise SessionError(
                f"cannot start a session in {parent}",
                found=f"{error.strerror or error}",
                next_step="choose a folder you may write to: recorder.folder in the rig file",
            ) from error
        session = cls(folder, rig, lock, live=live)
        session._own_events = len(own)
        for event in own:
            session.add(event, EVENTS)
        return session

    @property
    def bytes_written(self) -> int:
        """Size of the log so far."""
        return self._wal.bytes_written

    def add(self, sample: Sample, stream: str) -> None:
        """Append one row; see `add_packed`."""
        self.add_packed(type(sample).__name__, stream, sample.pack())

    def add_event(self, name: str, **facts: Any) -> None:
        """Append an event of the recorder's own; raises WireError when the facts are too long."""
        self.add(Event.now(name, self._own_events, **facts), EVENTS)
        self._own_events += 1

    def add_frame(self, frame: bytes) -> bool:
        """Append the rows of a bus frame whose stream is known by now; False leaves it to `add_packed` to judge.

        The short way for nearly every row: the frame's first bytes name the stream, nothing is decoded.
        """
        end = frame.find(b"\0", frame.find(b"\0") + 1) + 1
        schema = self._roads.get(frame[:end])
        if schema is None:
            return False
        count, rest = divmod(len(frame) - end, schema.dtype.itemsize)
        if rest or not count:
            return False
        self._wal.append(schema.number, frame[end:])
        self.rows[schema.name] += count
        return True

    def add_packed(self, kind: str, stream: str, rows: bytes) -> None:
        """Append packed rows of a message type, one or several, exactly as they came.

        Raises WireError when it does not fit the stream, SessionError when the disk fails.
        """
        schema = self._streams.get(stream) or self._declare(kind, stream)
        count, rest = divmod(len(rows), schema.dtype.itemsize)
        if schema.message != kind or rest or not count:
            raise WireError(
                f"stream {stream} holds rows of {schema.message}",
                found=f"{kind} of {len(rows)} bytes",
                allowed=f"{schema.dtype.itemsize} bytes a row",
            )
        self._wal.append(schema.number, rows)
        self.rows[stream] += count

    def add_drops(self, stream: str, count: int) -> None:
        """Note that a producer could not hand over `count` more rows of a stream."""
        self.dropped[stream] = self.dropped.get(stream, 0) + count

    def flush(self) -> None:
        """Write one batch; raises SessionError when the disk fails."""
        self._tell_drops()
        self._wal.flush()

    def close(self) -> None:
        """End the session: write and sync everything, note the end, release the lock.

        Raises SessionError when the disk fails; what was written is kept.
        """
        try:
            self._tell_drops()
            if self._live:
                self.add_event("session_stopped", rows=sum(self.rows.values()))
            self._wal.close()
            stopped_at = datetime.now(UTC).isoformat()
            change_meta(self.folder, status="stopped", stopped_at=stopped_at, **self.facts_at_end)
        finally:
            os.close(self._lock)

    def abandon(self) -> None:
        """End the session after the disk failed; everything written is kept for `recover`."""
        self._wal.abandon()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, SessionError):
            self.abandon()
        else:
            self.close()

    def _tell_drops(self) -> None:
        for stream, count in self.dropped.items():
            if self._dropped_told.get(stream) != count:
                self.add_event("dropped", stream=stream, dropped=count)
                self._dropped_told[stream] = count

    def _declare(self, kind: str, stream: str) -> StreamSchema:
        if kind not in SAMPLE_TYPES or not STREAM_NAME.fullmatch(stream) or len(self._streams) >= MAX_STREAMS:
            raise WireError(
                "a row of a new stream was expected",
                found=f"{kind[:40]!r} for stream {stream[:80]!r}, {len(self._streams)} streams so far",
                allowed=f"{', '.join(SAMPLE_TYPES)}; names like uskin_health; at most {MAX_STREAMS} streams",
            )
        number = len(self._streams)
        schema = StreamSchema.of(number, stream, SAMPLE_TYPES[kind], stream_attributes(kind, self._rig, stream))
        self._wal.declare(schema)
        self._streams[stream] = schema
        self._roads[frame_head(kind, stream)] = schema
        self.rows[stream] = 0
        return schema


def check_free_space(parent: Path, min_free_gb: float) -> None:
    """Make the folder and raise SessionError when its disk has less free space than the rig asks for."""
    parent.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(parent).free / 1e9
    if free_gb < min_free_gb:
        raise SessionError(
            f"a session in {parent} needs {min_free_gb:g} GB of free space",
            found=f"{free_gb:.2f} GB",
            next_step="free some space, or set recorder.min_free_gb in the rig file (an hour takes about 1.4 GB)",
        )
