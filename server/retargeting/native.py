"""The compiled solver; without a compiler the caller uses the numpy reference, some hundred times slower."""

from __future__ import annotations

import ctypes
import functools

from skin_teleop.native_build import built_library

SOURCES = ("hand.h", "boxes.h", "objective.h", "imitation.h", "solver.c")


@functools.cache
def native_library() -> ctypes.CDLL:
    """The built solver; raises MissingPartError where it cannot be built."""
    return built_library("server.retargeting", SOURCES, "retargeting")
