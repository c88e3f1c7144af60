"""Turns a finished log into a sealed session: a Zarr store that appears at once, verified before the log goes.

Every step can be repeated, and the order makes a kill at any moment harmless:

1. write `session.zarr.tmp-<id>`, bring it to the disk, rename it to `session.zarr`;
2. read it back and compare row counts and digests with the log;
3. write MANIFEST.sha256, set session.json to `sealed`;
4. rename the log away, delete it, and drop `.rec` from the folder's name.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataset_tools.durable import remove_temporaries, rename_durably, sync_tree
from dataset_tools.logged_stream import LogIndex
from dataset_tools.manifest import write_manifest
from dataset_tools.session_folder import (
    ASIDE_PREFIX,
    EXTRAS_FOLDER,
    LIVE_SUFFIX,
    LOCK_FILE,
    LOG_FOLDER,
    STORE_FOLDER,
    change_meta,
    load_meta,
    locked,
    sealed_name,
)
from dataset_tools.store_writer import verify_store, write_store
from dataset_tools.wal_scanner import frame_follows, log_files
from skin_teleop.errors import SessionError

log = logging.getLogger(__name__)

VERIFIED_LOG_FOLDER = "wal.verified"
"""The log's name once the store is known to hold all of it."""


def seal_session(folder: Path, *, keep_wal: bool = False) -> Path:
    """Seal a `.rec` folder and return the sealed session's path; a session sealed before is returned as it is.

    Raises SessionError when it is being recorded, has no log, or the store does not match the log.
    """
    folder = folder.resolve()
    target = sealed_name(folder)
    if not folder.is_dir() and target.is_dir():
        return seal_session(target)
    if not folder.is_dir():
        raise SessionError(f"session {folder} cannot be sealed", found="no such folder")
    if folder.name == target.name and load_meta(folder)["status"] == "sealed":
        return folder
    if folder != target and target.exists():
        raise SessionError(f"session {folder} cannot be sealed", found=f"{target} exists already")
    try:
        with locked(folder):
            _seal_contents(folder, keep_wal=keep_wal)
            (folder / LOCK_FILE).unlink()
            rename_durably(folder, target)
    except OSError as error:
        raise SessionError(
            f"session {folder} cannot be sealed",
            found=f"{error.strerror or error}",
            next_step=f"the log is kept; make room or the disk writable, then run: skin-teleop seal {folder}",
        ) from error
    log.info("sealed %s", target)
    return target


def _seal_contents(folder: Path, *, keep_wal: bool) -> None:
    _remove_leftovers(folder)
    meta, recorded, store = load_meta(folder), _recorded(folder), folder / STORE_FOLDER
    if meta["status"] == "sealed" and store.is_dir():
        _verify_sealed(store, meta, recorded)
    else:
        if store.is_dir():
            _verify_earlier(store, recorded)
        else:
            _build(store, recorded, meta)
        write_manifest(folder)
        change_meta(folder, **_sealed_facts(meta, recorded))
    if recorded is not None and not keep_wal and not _worth_keeping(recorded):
        rename_durably(folder / LOG_FOLDER, folder / VERIFIED_LOG_FOLDER)
    shutil.rmtree(folder / VERIFIED_LOG_FOLDER, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """What killed seals and writers left; the session's lock keeps everybody else from writing here."""
    for leftover in folder.glob(f"{STORE_FOLDER}.tmp-*"):
        shutil.rmtree(leftover)
    for place in (folder, folder / EXTRAS_FOLDER):
        remove_temporaries(place)


def _recorded(folder: Path) -> LogIndex | None:
    return LogIndex(folder / LOG_FOLDER) if (folder / LOG_FOLDER).is_dir() else None


def _rows(recorded: LogIndex) -> dict[str, int]:
    return {name: stream.rows for name, stream in recorded.streams.items()}


def _verify_sealed(store: Path, meta: dict[str, Any], recorded: LogIndex | None) -> None:
    """A store that was found good before is judged by its own digests, whatever became of the log since."""
    try:
        verify_store(store, meta.get("rows"))
    except SessionError as error:
        if recorded is not None and not recorded.damage and _rows(recorded) == meta.get("rows"):
            raise _put_aside(store, error) from error
        raise SessionError(
            f"the sealed store {store} has been damaged since",
            found=f"{error.found}; {'no log' if recorded is None else 'a log that holds less than was sealed'}",
            next_step=f"nothing was changed; restore it from a backup, or rename {store.name} and seal what is left",
        ) from error


def _verify_earlier(store: Path, recorded: LogIndex | None) -> None:
    """A store that an unfinished seal left; where it differs from the log, either may hold more."""
    try:
        verify_store(store, None if recorded is None else _rows(recorded))
    except SessionError as error:
        if recorded is not None:
            raise _put_aside(store, error) from error
        raise


def _put_aside(store: Path, error: SessionError) -> SessionError:
    aside = store.with_name(f"{ASIDE_PREFIX}{uuid.uuid4().hex[:8]}")
    rename_durably(store, aside)
    return SessionError(
        f"the store {store} of an earlier seal and its log differ",
        found=error.found,
        next_step=f"the store is kept as {aside.name}, it may hold more; the next seal builds one from the log",
    )


def _build(store: Path, recorded: LogIndex | None, meta: dict[str, Any]) -> None:
    """Write the store and read it back; one that does not come back as it was written holds nothing of its own."""
    if recorded is None:
        raise SessionError(f"session {store.parent} holds no data", allowed=f"a {LOG_FOLDER} or {STORE_FOLDER} folder")
    building = store.with_name(f"{STORE_FOLDER}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        write_store(building, recorded, meta)
        sync_tree(building)
        rename_durably(building, store)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)  # half a store would keep the space that a full disk lacks
        raise
    try:
        verify_store(store, _rows(recorded))
    except SessionError:
        shutil.rmtree(store)
        raise


def _sealed_facts(meta: dict[str, Any], recorded: LogIndex | None) -> dict[str, Any]:
    facts = {
        "status": "sealed",
        "sealed_at": datetime.now(UTC).isoformat(),
        "interrupted": meta["status"] == "recording" or bool(meta.get("interrupted")),
    }
    if recorded is not None:
        facts["rows"] = _rows(recorded)
        facts["log_damage"] = [dataclasses.asdict(damage) for damage in recorded.damage]
    return facts


def _worth_keeping(recorded: LogIndex) -> bool:
    """Damage with good frames behind it is no crash but a broken disk: somebody may still save those bytes."""
    last = log_files(recorded.folder)[-1:]
    return any(
        recorded.folder / damage.file not in last or frame_follows(recorded.folder / damage.file, damage)
        for damage in recorded.damage
    )


def is_leftover(folder: Path) -> bool:
    """Whether a folder is a session that still waits for its seal."""
    return folder.name.endswith(LIVE_SUFFIX) and folder.is_dir()
