"""Decoded recordings on disk, mapped into memory: hours of data are decoded once and shared by all processes.

Decoding a session costs seconds of unpacking; reading random windows of it must cost a hundredth of a training step.
An entry is a folder of plain .npy files, named by a fingerprint of the session's own digests, its labels and the
version of the preparation, so that it can never be taken for another one; deleting it costs nothing but time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dataset_tools.labels import Label
from dataset_tools.reader import Session
from encoder.body import Body
from encoder.session_data import TactileRecording, load_recording

PREPARATION = 2
"""Raise it whenever load_recording gives other numbers for the same session."""
_ABOUT = "about.json"

_log = logging.getLogger(__name__)


def cached_recording(session: Session, labels: Sequence[Label], folder: Path) -> TactileRecording:
    """The recording of a session from the cache, or decoded and kept there; a session that grows is never kept."""
    if not session.digests:
        return load_recording(session, labels)
    entry = folder / fingerprint_of(session, labels)
    kept = _read(entry)
    if kept is None:
        try:
            _write(load_recording(session, labels), entry)
        except OSError as error:
            _log.warning("%s cannot be written, the recording stays in memory: %s", entry, error)
            return load_recording(session, labels)
        kept = _read(entry)
    return load_recording(session, labels) if kept is None else kept


def fingerprint_of(session: Session, labels: Sequence[Label]) -> str:
    """SHA-256 of what a recording is made from: digests of the stored columns, description, labels, preparation."""
    rows = [msgspec.to_builtins(label) for label in labels]
    facts = [PREPARATION, session.digests, dict(session.meta), rows]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _write(recording: TactileRecording, entry: Path) -> None:
    """Write all columns into a new folder and put it in place at once; another process may have been faster."""
    building = entry.with_name(f".{entry.name}.{uuid.uuid4().hex[:8]}")
    about: dict[str, object] = {}
    try:
        building.mkdir(parents=True)
        for item in fields(recording):
            value = getattr(recording, item.name)
            if isinstance(value, np.ndarray):
                np.save(building / f"{item.name}.npy", value, allow_pickle=False)
            else:
                about[item.name] = asdict(value) if isinstance(value, Body) else value
        (building / _ABOUT).write_text(json.dumps(about))
        if not entry.exists():
            building.rename(entry)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _read(entry: Path) -> TactileRecording | None:
    """The recording of an entry, its columns read-only views of the files; None where there is no whole one."""
    try:
        about: dict[str, Any] = json.loads((entry / _ABOUT).read_text())
        columns = {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in sorted(entry.glob("*.npy"))}
        about["body"] = Body(**about["body"])
        return TactileRecording(**about, **columns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        _log.warning("%s cannot be read and is decoded anew: %s", entry, error)
        shutil.rmtree(entry, ignore_errors=True)
        return None
