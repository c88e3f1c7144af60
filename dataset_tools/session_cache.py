"""Figures worked out from a sealed session, kept in a file beside it so that the next look is quick.

`<session>.<kind>.npz` carries a fingerprint of the recorded rows. Where it does not fit, or cannot be read, the figures
are worked out anew; the recording itself is never touched, and deleting the file costs nothing but time.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from pathlib import Path

import numpy as np

from dataset_tools.durable import write_durably
from dataset_tools.reader import Session
from skin_teleop.messages import Array

log = logging.getLogger(__name__)

FINGERPRINT = "fingerprint"


def cache_file(session: Session, kind: str) -> Path:
    """Where figures of one kind stand."""
    return session.path.with_name(f"{session.path.name}.{kind}.npz")


def load_figures(session: Session, kind: str, version: int) -> dict[str, Array] | None:
    """The arrays that were kept for these very rows; None where there are none."""
    file = cache_file(session, kind)
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            arrays = dict(stored)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s cannot be read and is worked out anew: %s", file, error)
        return None
    fits = str(arrays.pop(FINGERPRINT, "")) == _fingerprint(session, version) != ""
    return arrays if fits else None


def keep_figures(session: Session, kind: str, version: int, arrays: dict[str, Array]) -> bool:
    """Keep arrays for the next time; False where that is not possible (session not sealed, folder read-only)."""
    fingerprint = _fingerprint(session, version)
    if not fingerprint:
        return False
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{FINGERPRINT: np.array(fingerprint)}, **arrays)
    file = cache_file(session, kind)
    try:
        write_durably(file, content.getvalue())
    except OSError as error:
        log.warning("%s cannot be written, the figures are not kept: %s", file, error)
        return False
    return True


def _fingerprint(session: Session, version: int) -> str:
    """SHA-256 over the digests of all columns and the version of what was worked out; empty for unsealed sessions."""
    if not session.digests:
        return ""
    return hashlib.sha256(json.dumps([version, session.digests], sort_keys=True).encode()).hexdigest()
