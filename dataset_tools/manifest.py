"""MANIFEST.sha256: a digest of every file that a sealed session must keep, in the format of `sha256sum -c`."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from dataset_tools.durable import write_durably
from dataset_tools.session_folder import EXTRAS_FOLDER, STORE_FOLDER
from skin_teleop.errors import SessionError

MANIFEST_FILE = "MANIFEST.sha256"
COVERED = (STORE_FOLDER, "cameras", EXTRAS_FOLDER)
"""Labels are not covered: they go on growing."""


def write_manifest(session: Path) -> None:
    """Write the manifest of a session folder."""
    lines = [f"{file_digest(session / name)}  {name}\n" for name in covered_files(session)]
    write_durably(session / MANIFEST_FILE, "".join(lines).encode())


def read_manifest(session: Path) -> dict[str, str]:
    """File name to SHA-256 as the manifest has them; a line that is none is left out.

    Raises SessionError for a name that no seal writes: it may come from anywhere and point to anywhere.
    """
    lines = (session / MANIFEST_FILE).read_text(errors="replace").splitlines()
    listed = {name: digest for digest, found, name in (line.partition("  ") for line in lines) if found}
    for name in listed:
        parts = PurePosixPath(name).parts
        if ".." in parts or parts[:1] not in [(part,) for part in COVERED]:
            raise SessionError(
                f"the manifest of {session} was to be read",
                found=f"a file named {name!r}",
                allowed=f"files in {', '.join(COVERED)}",
            )
    return listed


def own_file(session: Path, name: str) -> Path:
    """A file of a session folder; raises SessionError where a link leads out of the session."""
    file = session / name
    if not file.resolve().is_relative_to(session.resolve()):
        raise SessionError(
            f"{file} was to be read",
            found=f"a link to {file.resolve()}",
            allowed="files of the session",
            next_step="remove the link, or put a copy of the file in its place",
        )
    return file


def covered_files(session: Path) -> list[str]:
    """Files that the manifest covers, relative to the session folder, sorted."""
    files = [path for part in COVERED for path in (session / part).rglob("*") if path.is_file()]
    return sorted(path.relative_to(session).as_posix() for path in files)


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
