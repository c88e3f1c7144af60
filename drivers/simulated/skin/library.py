"""The compiled half of the simulated skin: the same model as in numpy, some ten times faster."""

from __future__ import annotations

import ctypes
import functools
import logging

from skin_teleop.errors import MissingPartError
from skin_teleop.native_build import built_library

log = logging.getLogger(__name__)

SOURCES = ("skin.h", "elastomer.h", "magnets.h", "contact.h", "note.h", "skin.c")


@functools.cache
def skin_library() -> ctypes.CDLL | None:
    """The built library; None, with one warning that names the fix, where it cannot be built."""
    try:
        return built_library("drivers.simulated.skin", SOURCES, "skin")
    except MissingPartError as missing:
        log.warning("the simulated skin runs in numpy, several times slower: %s", missing)
        return None
