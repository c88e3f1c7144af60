"""Copies of sealed sessions on another disk or in an object store: data before description, verified, resumable.

The order makes an interrupted copy harmless: chunks, then the `zarr.json` files that describe them, then labels and
manifest, and `session.json` last. Where it stands, the whole session stands. A further run goes on with the files that
are missing; one that differs from the manifest is copied again. What a seal kept because it may hold more than the
store, a log or a store put aside, is copied as well.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dataset_tools.durable import is_temporary, sync_tree
from dataset_tools.manifest import MANIFEST_FILE, file_digest, own_file, read_manifest
from dataset_tools.reader import open_session
from dataset_tools.remote import ObjectFolder, is_remote
from dataset_tools.session_folder import ASIDE_PREFIX, LIVE_SUFFIX, LOG_FOLDER, META_FILE
from skin_teleop.errors import SessionError


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was done for one session."""

    target: Path | str
    copied: int
    """Files that were copied now."""
    kept: int
    """Files of an earlier run that are whole."""


class Place(Protocol):
    """Where one session's copy grows."""

    def read(self, name: str) -> bytes | None:
        """Content of a small file, None where there is none."""

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file as it stands there, None where there is none."""

    def put(self, source: Path, name: str) -> None:
        """Copy a file; it appears under its name only when it is whole."""

    def settle(self) -> None:
        """Make what was copied outlive a power loss."""


class DiskFolder:
    """A copy on a local disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """Content of a small file, None where there is none."""
        return (self.folder / name).read_bytes() if (self.folder / name).is_file() else None

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file as it stands there, None where there is none."""
        return file_digest(self.folder / name) if (self.folder / name).is_file() else None

    def put(self, source: Path, name: str) -> None:
        """Copy a file; it appears under its name only when it is whole."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.tmp")
        shutil.copyfile(source, beside)
        beside.replace(target)

    def settle(self) -> None:
        """Bring every file and folder to the disk."""
        sync_tree(self.folder)


class StoredObjects(ObjectFolder):
    """A copy in an object store, which keeps what it has accepted. Digests are taken of what it gives back."""

    def settle(self) -> None:
        """Nothing to do: an accepted object is stored."""


def backup_session(session: Path, folder: Path | str) -> BackedUp:
    """Copy a sealed session into a folder or below the URL of an object store, or finish an earlier copy.

    Raises SessionError when the session is not sealed, when one of its files differs from its manifest or lies outside
    it, when another session of that name or labels that are not in the session are there, or when the disk or the store
    fails.
    """
    session = session.resolve()
    if open_session(session).status != "sealed" or session.name.endswith(LIVE_SUFFIX):
        raise SessionError(
            f"a backup of {session} was asked for", found="it is not sealed", next_step=f"skin-teleop seal {session}"
        )
    target: Path | str = (
        f"{str(folder).rstrip('/')}/{session.name}" if is_remote(folder) else Path(folder, session.name)
    )
    place: Place = StoredObjects(target) if isinstance(target, str) else DiskFolder(target)
    _refuse_another(session, target, place)
    try:
        manifest = file_digest(own_file(session, MANIFEST_FILE))
        copied, kept = _copy_data(session, place)
        _copy_labels(session, place)
        _put_whole(session, place, MANIFEST_FILE, manifest)
        place.settle()
        _put_growing(session, place, META_FILE)
        place.settle()
    except OSError as error:
        raise SessionError(
            f"the backup {target} cannot be written",
            found=error.strerror or str(error),
            next_step="free some space, then run it again: it goes on where it ended",
        ) from error
    return BackedUp(target, copied, kept)


def _refuse_another(session: Path, target: Path | str, place: Place) -> None:
    theirs = place.read(MANIFEST_FILE)
    itself = isinstance(target, Path) and target.resolve() == session
    if itself or theirs not in (None, own_file(session, MANIFEST_FILE).read_bytes()):
        raise SessionError(f"a backup of {session} was asked for", found=f"another session at {target}")


def _copy_data(session: Path, place: Place) -> tuple[int, int]:
    """The files of the manifest and what the seal kept beside them, descriptions last: those that are whole stay."""
    copied = kept = 0
    wanted = _kept_beside(session) | read_manifest(session)
    for name, digest in sorted(wanted.items(), key=lambda entry: (entry[0].endswith(".json"), entry)):
        if place.digest(name) == digest:
            kept += 1
            continue
        _put_whole(session, place, name, digest)
        copied += 1
    return copied, kept


def _kept_beside(session: Path) -> dict[str, str]:
    """Files of the log and of stores put aside, which no manifest names, to their SHA-256."""
    folders = [session / LOG_FOLDER, *session.glob(f"{ASIDE_PREFIX}*")]
    names = [path.relative_to(session).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {name: file_digest(own_file(session, name)) for name in names}


def _copy_labels(session: Path, place: Place) -> None:
    """Labels, which are appended to and may have grown: what the copy holds must stand at the beginning of them."""
    files = (path for path in (session / "labels").rglob("*") if path.is_file() and not is_temporary(path))
    for source in sorted(files):
        name = source.relative_to(session).as_posix()
        ours, theirs = own_file(session, name).read_bytes(), place.read(name)
        if source.suffix == ".jsonl" and theirs is not None and not ours.startswith(theirs):
            raise SessionError(
                f"a backup of {session} was asked for",
                found=f"the copy's {name} has labels that are not in the session",
                next_step="copy the better of the two files over the other, then run it again",
            )
        _put_growing(session, place, name)


def _put_whole(session: Path, place: Place, name: str, digest: str) -> None:
    """Copy a file and read it back; raises SessionError when what comes back has not the digest that it must have."""
    source = own_file(session, name)
    place.put(source, name)
    if place.digest(name) == digest:
        return
    if file_digest(source) != digest:
        raise SessionError(
            f"a backup of {session} was asked for",
            found=f"{name} differs from the manifest, or changed while it was copied",
            next_step=f"skin-teleop check {session}",
        )
    raise _not_as_written(session, name)


def _put_growing(session: Path, place: Place, name: str) -> None:
    """The same for a file that somebody may change meanwhile: what comes back must be its old or its new content."""
    source = own_file(session, name)
    before = file_digest(source)
    place.put(source, name)
    if place.digest(name) not in (before, file_digest(source)):
        raise _not_as_written(session, name)


def _not_as_written(session: Path, name: str) -> SessionError:
    return SessionError(
        f"a backup of {session} was asked for",
        found=f"the copy of {name} does not come back as it was written",
        next_step="check the disk or the store, then run it again",
    )
