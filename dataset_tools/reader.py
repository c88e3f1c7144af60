"""Open a session, sealed or still being recorded, with one interface.

>>> session = open_session("sessions/20260301T101500Z_simulated_3f9a1c")  # doctest: +SKIP
>>> session.streams["uskin"]["flux"].shape  # doctest: +SKIP
(6000, 368, 3)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr

from dataset_tools.events import EventRow, marked_spans, read_events
from dataset_tools.logged_stream import LogIndex
from dataset_tools.migrations import migrate_description, migrate_digests, migrate_streams
from dataset_tools.remote import ObjectFolder, RemoteStream, is_remote
from dataset_tools.session_folder import (
    LIVE_SUFFIX,
    LOG_FOLDER,
    META_FILE,
    PACK_FOLDER,
    SCHEMA,
    STORE_FOLDER,
    check_version,
    is_live,
    load_meta,
    parse_meta,
)
from dataset_tools.stream import PackedStream, SealedStream, Stream, sealed_streams
from skin_teleop.clock import ABSENT_NS, NS_PER_S
from skin_teleop.errors import SessionError


class Session:
    """One recording: its description, its streams and what happened in it."""

    def __init__(
        self,
        place: Path | str,
        meta: dict[str, Any],
        streams: Mapping[str, Stream],
        log: LogIndex | None = None,
        digests: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self.place = place
        """Folder, or URL in an object store."""
        self.digests = digests or {}
        """Stream name to column to SHA-256 of its rows; empty while the session is not sealed."""
        self.meta = meta
        """Content of session.json."""
        self.streams = streams
        """Stream name to stream; a stream without rows is absent."""
        self._log = log

    @property
    def path(self) -> Path:
        """The session's folder; raises SessionError where it lies in an object store."""
        if isinstance(self.place, Path):
            return self.place
        raise SessionError(
            f"the folder of session {self.place} was asked for",
            found="it lies in an object store, where it can only be read",
            next_step="copy it to a disk first",
        )

    @property
    def status(self) -> str:
        """`recording`, `stopped`, `sealed`, or `interrupted` where the recorder died."""
        status = str(self.meta["status"])
        dead = status == "recording" and (isinstance(self.place, str) or not is_live(self.place))
        return "interrupted" if dead else status

    @property
    def start_ns(self) -> int:
        """t_mono of the first row of any stream, ns."""
        return min((int(stream.t_mono[0]) for stream in self.streams.values()), default=0)

    @property
    def end_ns(self) -> int:
        """t_mono of the last row of any stream, ns."""
        return max((int(stream.t_mono[-1]) for stream in self.streams.values()), default=0)

    @property
    def duration_s(self) -> float:
        """Seconds from the first row to the last."""
        return (self.end_ns - self.start_ns) / NS_PER_S

    @functools.cached_property
    def realtime_factor(self) -> float | None:
        """Simulated seconds per second, by a straight line through the stream `truth`; None outside simulation."""
        truth = self.streams.get("truth")
        if truth is None or truth.rows < 2:
            return None
        simulated, host = truth["t_dev"], truth.t_mono
        if simulated[0] == ABSENT_NS:
            return None
        slope, _ = np.polyfit((host - host[0]) / NS_PER_S, (simulated - simulated[0]) / NS_PER_S, 1)
        return float(slope)

    @property
    def rest_span_ns(self) -> tuple[int, int] | None:
        """Span (t_mono ns) of the first mark `rest`, in which nothing is touched; None where nobody marked one."""
        rests = (span for span in marked_spans(self.events(), self.end_ns) if span.label == "rest" and span.closed)
        return next(((span.start_ns, span.end_ns) for span in rests), None)

    def events(self) -> list[EventRow]:
        """(t_mono ns, name, facts) of every event in order of time."""
        stream = self.streams.get("events")
        return read_events(stream["t_mono"], stream["code"], stream["text"]) if stream is not None else []

    def refresh(self) -> None:
        """Take in rows that were recorded since; nothing to do for a sealed session."""
        if self._log is not None:
            self._log.refresh()


def open_session(path: str | Path) -> Session:
    """Open a session folder; sealed streams are read lazily, a live one is read from its log.

    A sealed session may lie in an object store: `s3://bucket/prefix/session` (extra [remote]). Raises SessionError when
    there is no such session, or when a newer release wrote it.
    """
    if isinstance(path, str) and is_remote(path):
        return _open_remote(ObjectFolder(path))
    folder = Path(path).resolve()
    if not folder.is_dir():
        raise _no_such_session(folder)
    meta = load_meta(folder)
    if (folder / STORE_FOLDER).is_dir():
        return _open_stored(folder, meta, STORE_FOLDER, SealedStream)
    if (folder / PACK_FOLDER).is_dir():
        return _open_stored(folder, meta, PACK_FOLDER, PackedStream)
    if (folder / LOG_FOLDER).is_dir():
        log = LogIndex(folder / LOG_FOLDER)
        streams = migrate_streams(log.streams, str(meta["version"]))
        return Session(folder, migrate_description(meta), streams, log)
    raise SessionError(
        f"session {folder} holds no data",
        found=", ".join(sorted(entry.name for entry in folder.iterdir())),
        allowed=f"{STORE_FOLDER} (sealed) or {LOG_FOLDER} (live)",
        next_step="restore the folder from a backup",
    )


def _open_remote(folder: ObjectFolder) -> Session:
    content = folder.read(META_FILE)
    if content is None:
        raise SessionError(
            f"session {folder.url} was asked for",
            found=f"no object {META_FILE} there",
            next_step="check the URL; a backup under way is no session yet",
        )
    meta = parse_meta(content, folder.url)
    return _open_store(folder.url, meta, STORE_FOLDER, RemoteStream, lambda: folder.open_zarr(STORE_FOLDER))


def _open_stored(folder: Path, meta: dict[str, Any], name: str, kind: type[SealedStream]) -> Session:
    return _open_store(folder, meta, name, kind, lambda: zarr.open_group(folder / name, mode="r"))


def _open_store(
    folder: Path | str, meta: dict[str, Any], name: str, kind: type[SealedStream], open_root: Callable[[], zarr.Group]
) -> Session:
    try:
        root = open_root()
        if root.attrs.get("schema") != SCHEMA:
            raise SessionError(f"{folder}/{name} is no store of a session", allowed=f'attribute "schema": "{SCHEMA}"')
        check_version(str(root.attrs.get("version")), folder)
        version, stored = str(root.attrs["version"]), sealed_streams(root, kind)
        digests = migrate_digests(cast(dict[str, dict[str, str]], root.attrs["digests"]), stored, version)
        streams = migrate_streams(stored, version)
        return Session(folder, migrate_description(meta), streams, digests=digests)
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, SessionError):
            raise
        raise SessionError(
            f"the store of session {folder} cannot be opened",
            found=f"{type(error).__name__}: {error}",
            next_step=f"skin-teleop check {folder}, or restore it from a backup",
        ) from error


def _no_such_session(folder: Path) -> SessionError:
    live, sealed = folder.with_name(folder.name + LIVE_SUFFIX), folder.with_name(folder.name.removesuffix(LIVE_SUFFIX))
    twin = next((other for other in (live, sealed) if other != folder and other.is_dir()), None)
    return SessionError(
        f"session {folder} was asked for",
        found="no such folder",
        next_step=f"open {twin}" if twin else f"skin-teleop sessions {folder.parent}",
    )
