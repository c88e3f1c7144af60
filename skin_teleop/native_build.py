"""C source of the project, built once by a C compiler (see `compiler`) and called through ctypes.

The first start takes a second or two; a library is kept in the user's cache folder under a name made of its source's
checksum, so a changed source is built again and an old build is never used. Where there is no compiler,
`built_library` says how to get one, and callers fall back on their numpy reference, which gives the same answers.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from skin_teleop.errors import MissingPartError

log = logging.getLogger(__name__)

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
FLAGS = ("-O3", "-fPIC", "-shared", "-fno-math-errno", "-std=c99")
BUILD_TIMEOUT_S = 40
"""Less than the supervisor waits for a process to serve (60 s), so that there is time for the numpy reference."""


def built_library(package: str, sources: Sequence[str], name: str) -> ctypes.CDLL:
    """Load the library `name` made from the C files in the folder `native` of a package, built now if it is not yet.

    The last of `sources` is the one that includes the others. Raises MissingPartError where it cannot be built, kept
    or loaded.
    """
    folder = resources.files(package) / "native"
    texts = {source: (folder / source).read_text() for source in sources}
    machine = f"{os.uname().machine} {FLAGS}"
    key = hashlib.sha256("".join([machine, *texts.values()]).encode()).hexdigest()[:16]
    try:
        library = _own_cache_folder() / f"{name}-{key}.so"
        return _kept(library) or _built(texts, sources[-1], library)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise MissingPartError(
            f"{name} could not be built",
            found=str(error)[:500],
            next_step="set XDG_CACHE_HOME to a folder of your own that can be written",
        ) from error


def cache_folder() -> Path:
    """Where builds are kept: `$XDG_CACHE_HOME/skin-teleop`, by default under `~/.cache`.

    A relative path there counts as none, as the XDG base directory specification says: it would be another folder in
    every working directory, and what lies in it is run.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "skin-teleop"


def _own_cache_folder() -> Path:
    """That folder, made if it is not there; raises PermissionError where another user could put a library into it."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.stat()
    if about.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user, and what lies there would be run")
    if about.st_mode & OTHERS_MAY_WRITE:
        raise PermissionError(f"others may write to {folder}, and what lies there would be run: chmod go-w {folder}")
    return folder


def compiler() -> list[str]:
    """Command of the machine's C compiler, else of the one in the package `ziglang`; raises MissingPartError."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is not None:
        return [found]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise MissingPartError(
        "a compiled part of the project was asked for",
        found="no C compiler (cc, gcc or clang), and the package ziglang is not installed",
        next_step="sudo apt install gcc, or without root: pip install ziglang",
    )


def _kept(library: Path) -> ctypes.CDLL | None:
    """The library as it was built earlier; one that cannot be loaded, as after a full disk, is thrown away."""
    if not library.is_file():
        return None
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        log.warning("%s is built anew: %s", library, error)
        library.unlink(missing_ok=True)
        return None


def _built(texts: dict[str, str], main: str, library: Path) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        for name, text in texts.items():
            Path(folder, name).write_text(text)
        built = Path(folder, library.name)
        command = [*compiler(), *FLAGS, str(Path(folder, main)), "-o", str(built), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
        if done.returncode:
            raise MissingPartError(
                f"{library.stem} could not be built", found=done.stderr[-500:], next_step=" ".join(command)
            )
        with built.open("rb") as file:
            os.fsync(file.fileno())
        built.replace(library)  # atomic: processes that start together never load half a file
    log.info("built %s", library)
    return ctypes.CDLL(str(library))
