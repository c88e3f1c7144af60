"""Reads pickles of numpy arrays and plain containers, and nothing else.

A pickle is a program: loading one from outside with the standard unpickler runs whatever its author wrote. Here only
the names that numpy itself needs to rebuild an array may be looked up; anything else is refused by name before it is
imported.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import numeric
from numpy._core.multiarray import _reconstruct, scalar

from skin_teleop.errors import SessionError


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of protocol 0 to 2 spell bytes; stands for `_codecs.encode`, which could load any codec."""
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): vars(numeric)["_frombuffer"] for core in ("core", "_core")},
}
"""Names that pickles of arrays made by numpy 1 and 2 hold."""
MAX_FILE_BYTES = 4 << 30


class _ArrayUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BufferedReader, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """The only door through which a pickle reaches code."""
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise SessionError(
                f"{self._path} was to be read",
                found=f"a pickle that asks for {module}.{name}",
                allowed="numpy arrays, numbers, text, lists, tuples and dictionaries",
                next_step="do not open this file with anything else",
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """References to objects outside the file are refused, too."""
        raise SessionError(f"{self._path} was to be read", found="a reference to an object outside the file")


def load_arrays(path: Path) -> Any:
    """What a pickle of arrays holds; raises SessionError when it is damaged, too large, or asks for anything else."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SessionError(f"{path} was to be read", found="a larger file", allowed=f"{MAX_FILE_BYTES >> 30} GiB")
        with path.open("rb") as file:
            value = _ArrayUnpickler(file, path).load()
    except SessionError:
        raise
    except (
        OSError, pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError,
        OverflowError, MemoryError, UnicodeDecodeError,
    ) as error:  # fmt: skip
        raise SessionError(f"{path} was to be read", found=f"{type(error).__name__}: {error}") from error
    _refuse_objects(value, path)
    return value


def _refuse_objects(value: Any, path: Path) -> None:
    """Arrays of Python objects have no place in a recording."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for part in parts:
        if isinstance(part, np.ndarray | dict | list | tuple):
            _refuse_objects(part, path)
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fiub":
        raise SessionError(f"{path} was to be read", found=f"an array of {value.dtype}", allowed="arrays of numbers")
