"""Notices a hand node that lives but hangs: stopped, it keeps the hand's last torque as a dead one does."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from pathlib import Path

from skin_teleop.bus import Latest
from skin_teleop.messages import HandHealth

HUNG_AFTER_S = 5.0
"""The node tells its health once a second, whatever the hand does. Less would end a rig on a machine that swaps."""
LOOK_MS = 200

logger = logging.getLogger(__name__)


class HandWatch:
    """Kills a hand node that has said nothing for `HUNG_AFTER_S`, so that it is replaced like a dead one."""

    def __init__(self, runtime: Path, process: str, stream: str, child: subprocess.Popen[bytes]) -> None:
        """Watch a process of this name from now on; `stream` is the name of the hand's health stream."""
        self._runtime, self._process, self._stream, self._child = runtime, process, stream, child
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"{process}-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        health = Latest(self._runtime, self._process, HandHealth, self._stream)
        heard_s = time.monotonic()
        while not self._stop.is_set():
            if health.take(LOOK_MS) is not None:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > HUNG_AFTER_S and self._child.poll() is None:
                logger.error("the %s process has said nothing for %.0f s and is killed", self._process, HUNG_AFTER_S)
                self._child.kill()
                break
        health.close()
