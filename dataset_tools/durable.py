"""Files that survive a power loss: written beside, synced, then renamed into place."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from dataset_tools.wal_sync import sync_folder

SYNC_THREADS = 8
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""Name of a file that is being written: its own for each writer, for two must not share it."""


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file as a whole: a reader sees the old content or the new, also after a power loss."""
    replace_durably(path, lambda file: file.write(content))


def replace_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """The same for content that `write` puts into an open file; where it fails, the old file stays as it was."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json_durably(path: Path, value: dict[str, Any]) -> None:
    """Replace a JSON file as a whole."""
    write_durably(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


def is_temporary(path: Path) -> bool:
    """Whether a file is one that is being written, or that a killed writer left."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left in a folder; only for its single writer, who writes nothing now."""
    for path in folder.glob(".*.tmp"):
        if is_temporary(path):
            path.unlink(missing_ok=True)


def rename_durably(source: Path, target: Path) -> None:
    """Rename within one file system and bring the new name to the disk."""
    source.rename(target)
    sync_folder(target.parent)


def sync_tree(folder: Path) -> None:
    """Bring every file below to the disk, then every folder, the deepest first.

    Several files wait at once: a journalling file system brings them down in common commits, which takes a fraction of
    the time of one after the other.
    """
    tree = [(Path(root), names) for root, _, names in os.walk(folder, topdown=False)]
    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        for _ in pool.map(_sync_file, (root / name for root, names in tree for name in names)):
            pass
        for _ in pool.map(sync_folder, (root for root, _ in tree)):
            pass


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
