"""Reads pickles of numpy arrays and plain containers, and nothing else.

A pickle is a program: loading one from outside with the standard unpickler runs whatever its author wrote. Here only
the names that numpy itself needs to rebuild an array may be looked up; anything else is refused by name before it is
imported. Nor does numpy's own code meet what the author wrote: a forged dtype or state could make it follow pointers.
Stand-ins take the calls and build arrays of numbers from bytes.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

_NUMBER_TYPE = re.compile(r"[<>=|]?[fiub?]\d{0,2}")
"""How pickles spell types of numbers; numpy would read a small language of its own, with structures and pointers."""


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of protocol 0 to 2 spell bytes; stands for `_codecs.encode`, which could load any codec."""
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


class _NumberType:
    """Stands for `numpy.dtype`: a kind of number and its byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(name, str) or not _NUMBER_TYPE.fullmatch(name):
            raise ValueError(f"an array of type {str(name)[:40]!r}, only arrays of numbers are allowed")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1] if state[1] in ("<", ">") else "=")


class _NumberArray(np.ndarray[Any, Any]):
    """An array that takes its state from a pickle once, and only where the bytes are those of so many numbers."""

    _filled = False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if self._filled:
            raise ValueError("a second state for an array")
        self._filled = True
        _, shape, kind, in_fortran_order, content = state
        array = _from_buffer(content, kind, shape, "F" if in_fortran_order else "C")
        checked: Any = (1, array.shape, array.dtype, bool(in_fortran_order), bytes(content))
        super().__setstate__(checked)


def _ndarray() -> None:
    """Stands for `numpy.ndarray`, which pickles name but have no need to call."""


def _reconstruct(*_: object) -> Array:
    """The empty array whose state the pickle tells next."""
    return np.ndarray.__new__(_NumberArray, (0,), "b")


def _from_buffer(
    content: bytes | bytearray,
    kind: _NumberType,
    shape: tuple[int, ...],
    order: str,
    axis_order: tuple[int, ...] | None = None,
) -> Array:
    """An array of a shape in order C or F; in order K, of an array whose axes were in `axis_order` before."""
    if not isinstance(content, bytes | bytearray) or not isinstance(kind, _NumberType) or order not in ("C", "F", "K"):
        raise ValueError("an array that is not made of the bytes of numbers")
    if not _are_counts(shape) or (order == "K" and not _are_counts(axis_order)):
        raise ValueError("an array whose shape is not a tuple of whole numbers")
    array: Array = np.frombuffer(bytes(content), kind.dtype).reshape(shape, order="F" if order == "F" else "C")
    return array.transpose(axis_order) if order == "K" else array


def _are_counts(value: object) -> bool:
    return type(value) is tuple and all(type(number) is int and number >= 0 for number in value)


def _scalar(kind: _NumberType, content: bytes) -> Any:
    return _from_buffer(content, kind, (1,), "C")[0]


ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _NumberType,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
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
            return _ArrayUnpickler(file, path).load()
    except SessionError:
        raise
    except (
        OSError, pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError,
        OverflowError, MemoryError, UnicodeDecodeError, SyntaxError,
    ) as error:  # fmt: skip
        raise SessionError(f"{path} was to be read", found=f"{type(error).__name__}: {error}") from error
