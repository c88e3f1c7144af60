"""A running rig whose recorder, skin and server are started again when they die. The hand is never."""

from __future__ import annotations

import logging
import time

from skin_teleop.cli import supervisor
from skin_teleop.cli.restarts import WAITS_FOR_ITS_DEVICE, RecordingKeeper, RestartPolicy
from skin_teleop.cli.supervisor import RunningRig, undisturbed
from skin_teleop.rig import Rig

logger = logging.getLogger(__name__)


class RestartingRig(RunningRig):
    """As `RunningRig`; `check` starts again what may be, and ends the rig for everything else."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self._policy = RestartPolicy(rig.supervisor.restarts_per_minute)
        self._keeper = RecordingKeeper(self.runtime)
        self._due_s: dict[str, float] = {}
        self._returning: dict[str, float] = {}
        """Processes that were started again and have not been seen to serve yet, and when that was, s."""

    def check(self) -> None:
        """Look at every process and never wait; raises ProcessDied when one that died may not be started again."""
        self._kill_what_hangs()
        dead = [name for name in self._dead() if name not in self._due_s]
        for name in sorted(dead, key=lambda name: name not in self.rig.hands):
            self._bury(name)
        for name in [name for name, due_s in self._due_s.items() if time.monotonic() >= due_s]:
            del self._due_s[name]
            self._spawn(name)
            self._returning[name] = time.monotonic()
        self._keeper.tend()

    def take_returned(self) -> list[str]:
        """Processes that were started again and serve since the last call."""
        back = [name for name in self._returning if self._serves(name)]
        for name in back:
            del self._returning[name]
        return back

    def stop(self) -> None:
        """End every process; nothing is started again."""
        with undisturbed():
            self._keeper.close()
            super().stop()

    def _serves(self, name: str) -> bool:
        return (self.runtime / f"{name}.ready").exists()

    def _kill_what_hangs(self) -> None:
        """A process that was started again has as long as at the first start; one that hangs counts as dead."""
        for name, began_s in self._returning.items():
            late = time.monotonic() - began_s > supervisor.START_TIMEOUT_S
            if late and name not in WAITS_FOR_ITS_DEVICE and not self._serves(name):
                logger.error("the %s process does not serve after its restart and is killed", name)
                self._children[name].kill()
                self._children[name].wait()

    def _bury(self, name: str) -> None:
        now_s = time.monotonic()
        began_s = self._returning.pop(name, now_s)
        pause_s = self._policy.pause_s(name, now_s, 0.0 if self._serves(name) else now_s - began_s)
        if pause_s is None:
            self._end_after(name)
        exit_code = self._children[name].wait()
        logger.error(
            "the %s process died (exit code %d) and is started again in %.1f s; it said: %s",
            name, exit_code, pause_s, self.last_words(name),
        )  # fmt: skip
        (self.runtime / f"{name}.ready").unlink(missing_ok=True)
        if name == "server":
            with undisturbed():
                self._make_hands_safe(name)
        self._keeper.died(name, exit_code, pause_s)
        self._due_s[name] = time.monotonic() + pause_s
