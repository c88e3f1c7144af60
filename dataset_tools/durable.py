"""Files that survive a power loss: written beside, synced, then renamed into place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dataset_tools.wal_sync import sync_folder


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file as a whole: a reader sees the old content or the new, also after a power loss."""
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def write_json_durably(path: Path, value: dict[str, Any]) -> None:
    """Replace a JSON file as a whole."""
    write_durably(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


def rename_durably(source: Path, target: Path) -> None:
    """Rename within one file system and bring the new name to the disk."""
    source.rename(target)
    sync_folder(target.parent)


def sync_tree(folder: Path) -> None:
    """Bring every file and folder below to the disk, the deepest first."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            with (Path(root) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(root))
