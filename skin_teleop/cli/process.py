"""Entry point of one process of a rig: `python -m skin_teleop.cli.process NAME RUNTIME_FOLDER`.

The supervisor starts these. A process whose supervisor dies is told by the kernel (PR_SET_PDEATHSIG) and leaves the
same way as on SIGTERM, so that the hand ends with zero torque whoever was killed.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from skin_teleop.errors import ConfigError, SkinTeleopError
from skin_teleop.rig import saved_rig

PROCESSES = {
    "hand": "drivers.allegro.node",
    "second_hand": "drivers.allegro.node",
    "skin": "drivers.uskin.node",
    "second_skin": "drivers.uskin.node",
    "world": "drivers.simulated.world_process",
    "recorder": "dataset_tools.recorder",
    "server": "server.process",
    "encoder": "encoder.node",
}
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

RunProcess = Callable[..., None]
"""Takes Rig, Path and threading.Event; the nodes of second devices also the device's name."""


def leave_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM when the parent dies; raise it now if that has already happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        signal.raise_signal(signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Run one process until it is told to stop; exit code 0 after an orderly end."""
    name, runtime, parent_pid = arguments[0], Path(arguments[1]), int(arguments[2])
    if name not in PROCESSES:
        raise ConfigError(f"process {name!r} was asked for", allowed=", ".join(PROCESSES))
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {name} %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    leave_with_parent(parent_pid)
    run = cast(RunProcess, import_module(PROCESSES[name]).run)
    which = (name,) if name.startswith("second_") else ()
    try:
        run(saved_rig(runtime), runtime, stop, *which)
    except SkinTeleopError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
