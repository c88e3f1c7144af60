"""Copies of sealed sessions in another folder: data before description, every file verified by its digest, resumable.

A copy's `session.json` is written last: where it stands, the whole session stands. A copy that was interrupted goes on
with the files that are missing; a file that differs from the manifest is copied again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from dataset_tools.durable import sync_tree
from dataset_tools.manifest import MANIFEST_FILE, file_digest, read_manifest
from dataset_tools.reader import open_session
from dataset_tools.session_folder import META_FILE
from skin_teleop.errors import SessionError


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was done for one session."""

    target: Path
    copied: int
    """Files that were copied now."""
    kept: int
    """Files of an earlier run that are whole."""


def backup_session(session: Path, folder: Path) -> BackedUp:
    """Copy a sealed session into a folder, or finish an earlier copy.

    Raises SessionError when the session is not sealed, when one of its files differs from its manifest, when another
    session of that name is there, or when the disk fails.
    """
    if open_session(session).status != "sealed":
        raise SessionError(
            f"a backup of {session} was asked for", found="it is not sealed", next_step=f"skin-teleop seal {session}"
        )
    target = folder / session.name
    _refuse_another(session, target)
    try:
        copied, kept = _copy_data(session, target)
        _copy_rest(session, target)
        sync_tree(target)
        _copy(session / META_FILE, target / META_FILE)
        sync_tree(target)
    except OSError as error:
        raise SessionError(
            f"the backup {target} cannot be written",
            found=error.strerror or str(error),
            next_step="free some space, then run it again: it goes on where it ended",
        ) from error
    return BackedUp(target, copied, kept)


def _refuse_another(session: Path, target: Path) -> None:
    mine, theirs = session / MANIFEST_FILE, target / MANIFEST_FILE
    if target.resolve() == session.resolve() or (theirs.is_file() and theirs.read_bytes() != mine.read_bytes()):
        raise SessionError(f"a backup of {session} was asked for", found=f"another session at {target}")


def _copy_data(session: Path, target: Path) -> tuple[int, int]:
    """The files of the manifest: those that are there and whole are kept."""
    copied = kept = 0
    for name, digest in sorted(read_manifest(session).items()):
        if (target / name).is_file() and file_digest(target / name) == digest:
            kept += 1
            continue
        _copy(session / name, target / name)
        if file_digest(target / name) != digest:
            (target / name).unlink()
            raise SessionError(
                f"a backup of {session} was asked for",
                found=f"{name} differs from the manifest",
                next_step=f"skin-teleop check {session}",
            )
        copied += 1
    return copied, kept


def _copy_rest(session: Path, target: Path) -> None:
    """Labels, which may have grown, and the manifest."""
    for source in sorted(path for path in (session / "labels").rglob("*") if path.is_file()):
        _copy(source, target / source.relative_to(session))
    _copy(session / MANIFEST_FILE, target / MANIFEST_FILE)


def _copy(source: Path, target: Path) -> None:
    """A file appears under its name only when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source, beside)
    beside.replace(target)
