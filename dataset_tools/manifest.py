"""MANIFEST.sha256: a digest of every file that a sealed session must keep, in the format of `sha256sum -c`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dataset_tools.durable import write_durably
from dataset_tools.session_folder import STORE_FOLDER

MANIFEST_FILE = "MANIFEST.sha256"
COVERED = (STORE_FOLDER, "cameras", "extras")
"""Labels are not covered: they go on growing."""


def write_manifest(session: Path) -> None:
    """Write the manifest of a session folder."""
    lines = [f"{file_digest(session / name)}  {name}\n" for name in covered_files(session)]
    write_durably(session / MANIFEST_FILE, "".join(lines).encode())


def read_manifest(session: Path) -> dict[str, str]:
    """File name to SHA-256 as the manifest has them; a line that is none is left out."""
    lines = (session / MANIFEST_FILE).read_text(errors="replace").splitlines()
    return {name: digest for digest, found, name in (line.partition("  ") for line in lines) if found}


def covered_files(session: Path) -> list[str]:
    """Files that the manifest covers, relative to the session folder, sorted."""
    files = [path for part in COVERED for path in (session / part).rglob("*") if path.is_file()]
    return sorted(path.relative_to(session).as_posix() for path in files)


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
