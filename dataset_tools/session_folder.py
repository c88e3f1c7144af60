"""The folder of one session: its name, its session.json and the lock that says that somebody works on it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from dataset_tools.durable import write_json_durably
from skin_teleop.clock import mono_ns
from skin_teleop.errors import SessionError
from skin_teleop.rig import Rig

SCHEMA = "skin_teleop.session"
SCHEMA_VERSION = "1.0.0"
META_FILE = "session.json"
LOG_FOLDER = "wal"
STORE_FOLDER = "session.zarr"
ASIDE_PREFIX = f"{STORE_FOLDER}.aside-"
"""A store of an earlier seal that differed from the log is kept under such a name: it may hold more."""
PACK_FOLDER = "pack.zarr"
"""In the place of the store where a session was packed for training."""
EXTRAS_FOLDER = "extras"
LIVE_SUFFIX = ".rec"
TRASH_FOLDER = "trash"
LOCK_FILE = "recorder.lock"
LOCK_TRIES = 4
"""A reader that looks whether a session is live holds the lock for an instant; try again 50 ms later."""


def new_session_id(rig_name: str) -> str:
    """`<utc>_<rig>_<short id>`, safe as a folder name and sorted by time."""
    utc = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    safe_name = re.sub(r"[^A-Za-z0-9-]+", "-", rig_name)[:40] or "rig"
    return f"{utc}_{safe_name}_{uuid.uuid4().hex[:6]}"


def new_meta(session_id: str, rig: Rig, *, object_name: str, plan: tuple[str, ...], operator: str) -> dict[str, Any]:
    """The content of session.json when a session starts."""
    return {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "id": session_id,
        "status": "recording",
        "started_at": datetime.now(UTC).isoformat(),
        "started_mono_ns": mono_ns(),
        "started_wall_ns": time.time_ns(),
        "operator": operator,
        "object": object_name,
        "plan": list(plan),
        "licence": rig.recorder.licence,
        "simulated": rig.world is not None,
        "rig": msgspec.to_builtins(rig),
        "software": software_versions(),
        "notes": [],
    }


def software_versions() -> dict[str, str]:
    """Versions of what writes a session."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in ("skin-teleop", "numpy", "zarr"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def load_meta(folder: Path) -> dict[str, Any]:
    """Read session.json; raises SessionError when it is missing, damaged or of a newer schema."""
    try:
        content = (folder / META_FILE).read_bytes()
    except OSError as error:
        raise SessionError(f"session {folder} has no readable {META_FILE}", found=str(error)) from error
    return parse_meta(content, folder)


def parse_meta(content: bytes, place: Path | str) -> dict[str, Any]:
    """The content of session.json; raises SessionError when it is damaged, foreign or of a newer schema."""
    try:
        meta = json.loads(content)
    except ValueError as error:
        raise SessionError(f"session {place} has no readable {META_FILE}", found=str(error)) from error
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise SessionError(f"{place}/{META_FILE} does not describe a session", allowed=f'"schema": "{SCHEMA}"')
    check_version(str(meta.get("version")), place)
    return meta


def check_version(found: str, place: Path | str) -> None:
    """Raise SessionError when a session was written by a release with a newer schema than this one reads."""
    major = found.partition(".")[0]
    if not major.isdigit() or int(major) > int(SCHEMA_VERSION.partition(".")[0]):
        raise SessionError(
            f"session {place} has schema version {found}",
            found="this release is older" if major.isdigit() else "not a version",
            allowed=f"up to {SCHEMA_VERSION}",
            next_step="update skin-teleop",
        )


def change_meta(folder: Path, **changes: Any) -> dict[str, Any]:
    """Rewrite some keys of session.json durably; returns the new content. Raises SessionError when the disk fails."""
    meta = load_meta(folder) | changes
    try:
        write_json_durably(folder / META_FILE, meta)
    except OSError as error:
        raise SessionError(f"cannot rewrite {folder / META_FILE}", found=f"{error.strerror or error}") from error
    return meta


def is_live(folder: Path) -> bool:
    """Whether some process records or seals this session now."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def take_lock(folder: Path) -> int:
    """Lock a session folder for writing; returns the descriptor whose closing releases the lock.

    Raises SessionError while another process works on it. The lock dies with its process.
    """
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    for _ in range(LOCK_TRIES):
        if _try_lock(descriptor, fcntl.LOCK_EX):
            return descriptor
        time.sleep(0.05)
    os.close(descriptor)
    raise SessionError(
        f"session {folder} cannot be changed now",
        found="a recorder or a seal works on it",
        next_step="stop the recording first, then try again",
    )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a session folder; raises SessionError while another process holds it."""
    descriptor = take_lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sealed_name(folder: Path) -> Path:
    """Where the session of a `.rec` folder stands once it is sealed."""
    return folder.with_name(folder.name.removesuffix(LIVE_SUFFIX))
