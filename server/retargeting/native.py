"""The compiled solver: C source of the project, built once by a C compiler (see `compiler`), called through ctypes.

The first start takes about a second; the library is kept in the user's cache folder under a name made of the source's
checksum, so a changed source is built again and an old build is never used. Where there is no compiler,
`native_library` says how to get one and the caller uses the numpy reference, which gives the same answers some hundred
times slower.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from skin_teleop.errors import MissingPartError

log = logging.getLogger(__name__)

SOURCES = ("hand.h", "objective.h", "imitation.h", "solver.c")
FLAGS = ("-O3", "-fPIC", "-shared", "-fno-math-errno", "-std=c99")
BUILD_TIMEOUT_S = 60


@functools.cache
def native_library() -> ctypes.CDLL:
    """The built solver; raises MissingPartError where it cannot be built."""
    folder = resources.files("server.retargeting") / "native"
    sources = {name: (folder / name).read_text() for name in SOURCES}
    machine = f"{os.uname().machine} {FLAGS}"
    key = hashlib.sha256("".join([machine, *sources.values()]).encode()).hexdigest()[:16]
    library = cache_folder() / f"retargeting-{key}.so"
    if not library.is_file():
        _build(sources, library)
    return ctypes.CDLL(str(library))


def cache_folder() -> Path:
    """Where builds are kept: `$XDG_CACHE_HOME/skin-teleop`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skin-teleop"


def compiler() -> list[str]:
    """Command of the machine's C compiler, else of the one in the package `ziglang`; raises MissingPartError."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is not None:
        return [found]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise MissingPartError(
        "the compiled retargeting solver was asked for",
        found="no C compiler (cc, gcc or clang), and the package ziglang is not installed",
        next_step="sudo apt install gcc, or without root: pip install ziglang",
    )


def _build(sources: dict[str, str], library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        for name, text in sources.items():
            Path(folder, name).write_text(text)
        built = Path(folder, library.name)
        command = [*compiler(), *FLAGS, str(Path(folder, "solver.c")), "-o", str(built), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
        if done.returncode:
            raise MissingPartError(
                "the retargeting solver could not be built", found=done.stderr[-500:], next_step=" ".join(command)
            )
        built.replace(library)  # atomic: processes that start together never load half a file
    log.info("built the retargeting solver into %s", library)
