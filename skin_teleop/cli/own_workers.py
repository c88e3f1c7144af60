"""Processes for a long computation on all cores."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from skin_teleop.cli.process import leave_with_parent


def own_workers(count: int) -> ProcessPoolExecutor:
    """Processes that leave when this one does, however it ends; else they would wait for work for ever."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=spawn, initializer=leave_with_parent, initargs=(os.getpid(),))
