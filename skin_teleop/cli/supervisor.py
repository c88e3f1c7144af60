"""Starts, watches and stops the processes of a rig.

If one dies, it is named, the hand is made safe from outside, and what was recorded is sealed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from dataset_tools.recovery import recover_folder
from drivers.allegro.safe_stop import stop_from_outside
from server.access import TOKEN_FILE
from skin_teleop.bus import CommandSender
from skin_teleop.cli.hand_watch import HandWatch
from skin_teleop.errors import DeviceError, ProcessDied
from skin_teleop.messages import HandCommand
from skin_teleop.rig import Rig

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""The first start of a server builds its solver: a second with a C compiler, up to half a minute without."""
STOP_TIMEOUT_S = {"recorder": 120.0}
"""The recorder may have an hour to seal (at 30 times real time); every other process leaves within 5 s."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """SIGINT and SIGTERM only say that the rig is still being ended; Python gives them to the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _say_still_sealing) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_still_sealing(number: int, frame: FrameType | None) -> None:
    logger.warning("still sealing; the hand goes off first and what was recorded is kept")


class RunningRig:
    """A rig as a context manager: inside the `with` its processes serve, after it they have ended."""

    def __init__(self, rig: Rig, processes: tuple[str, ...] | None = None) -> None:
        """All processes of a rig, or some of them by name where other parts are played by the caller."""
        self.rig = rig
        self._names = rig.processes if processes is None else processes
        self.runtime = Path(tempfile.mkdtemp(prefix="skt-"))
        self.token = secrets.token_urlsafe(18)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._exit_codes: dict[str, int] = {}
        self._hand_watches: list[HandWatch] = []
        self.powered_hands: list[str] = []
        """Names of the hands that `stop` could not leave without power; a node that never served gave its hand none."""

    @property
    def server_url(self) -> str:
        """Address of the pages."""
        return f"http{self._door}/"

    @property
    def operator_url(self) -> str:
        """Address of the operator's socket."""
        return f"ws{self._door}/ws/operator"

    @property
    def _door(self) -> str:
        """How both addresses go on: a server of every network is reached from this machine by loopback."""
        server = self.rig.server
        host = "127.0.0.1" if server.host == "0.0.0.0" else server.host
        return f"{'s' if server.tls else ''}://{host}:{server.port}"

    def __enter__(self) -> Self:
        self.rig.save(self.runtime)
        token = self.runtime / TOKEN_FILE
        token.touch(mode=0o600)
        token.write_text(self.token)
        try:
            for name in self._names:
                self._start(name)
        except BaseException as error:
            self.stop()
            self._tell_powered(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._tell_powered(error)

    def _tell_powered(self, error: BaseException | None) -> None:
        """Raise DeviceError where a hand could not be left without power and the last error says nothing of it."""
        if self.powered_hands and self.hands_are() not in str(error):
            raise DeviceError(
                f"rig {self.rig.name} was ended; {self.hands_are()}", found=str(error or "") or None
            ) from error

    def _start(self, name: str) -> None:
        """Start one process and wait until it serves; raises ProcessDied with its last words otherwise."""
        self._spawn(name)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.runtime / f"{name}.ready").exists():
            if self._children[name].poll() is not None:
                raise ProcessDied(f"the {name} process did not start", found=self.last_words(name))
            if time.monotonic() > deadline:
                raise ProcessDied(
                    f"the {name} process does not serve after {START_TIMEOUT_S:.0f} s", found=self.last_words(name)
                )
            time.sleep(0.02)
        logger.info("%s serves (process %d)", name, self._children[name].pid)
        if name in self.rig.hands:
            stream = f"{self.rig.hands[name].name}_health"
            self._hand_watches.append(HandWatch(self.runtime, name, stream, self._children[name]))

    def _spawn(self, name: str) -> None:
        with (self.runtime / f"{name}.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", "skin_teleop.cli.process", name, str(self.runtime), str(os.getpid())],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | {"SKIN_TELEOP_RUNTIME": str(self.runtime), "OMP_NUM_THREADS": "1"},
            )

    def pid(self, name: str) -> int:
        """Process id of one process of the rig."""
        return self._children[name].pid

    def last_words(self, name: str, lines: int = 3) -> str:
        """The last lines that a process logged."""
        text = (self.runtime / f"{name}.log").read_text(errors="replace").strip()
        return " | ".join(text.splitlines()[-lines:]) or "nothing was logged"

    def check(self) -> None:
        """Raise ProcessDied if a process has ended, after making the hands safe and sealing what was recorded."""
        all_dead = self._dead()
        if all_dead:
            self._end_after(min(all_dead, key=lambda name: name not in self.rig.hands))

    def _dead(self) -> list[str]:
        return [name for name, child in self._children.items() if child.poll() is not None]

    def _end_after(self, dead: str) -> NoReturn:
        words = self.last_words(dead)
        with undisturbed():
            self._make_hands_safe(dead)
            self.stop()
        raise ProcessDied(
            f"the {dead} process of rig {self.rig.name} died; {self.hands_are()}, the session is sealed",
            found=f"exit code {self._exit_codes[dead]}; it said: {words}",
            next_step="skin-teleop doctor, then skin-teleop sessions to see what was kept",
        )

    def hands_are(self) -> str:
        """What a person must know of the hands once the rig has ended, in words."""
        if self.powered_hands:
            return f"{' and '.join(self.powered_hands)} COULD NOT BE SWITCHED OFF: cut the power"
        return "both hands are off" if len(self.rig.hands) > 1 else "the hand is off"

    def _make_hands_safe(self, dead: str) -> None:
        """From outside where the node is dead, by an order where it lives; the dead first."""
        gone = [hand for hand in self.rig.hands if hand in self._dead()]
        for hand in gone:
            self._stop_from_outside(hand)
        for hand in self.rig.hands:
            if hand not in gone:
                sender = CommandSender(self.runtime, hand)
                sender.send(HandCommand("stop", f"the {dead} process died"))
                sender.close()

    def _stop_from_outside(self, hand: str) -> bool:
        """Zero torque, servo off, period 0 in the place of a node that cannot send them; whether all were taken."""
        os.environ["SKIN_TELEOP_RUNTIME"] = str(self.runtime)
        config = self.rig.hands[hand]
        try:
            stop_from_outside(config)
        except DeviceError as error:
            logger.error("%s could not be made safe from outside: %s; cut its power", config.name, error)
            return False
        return True

    def wait(self) -> None:
        """Stay until a process dies (raises ProcessDied) or the caller is interrupted."""
        while True:
            self.check()
            time.sleep(0.05)

    def stop(self) -> None:
        """End every process: the hands first, then the others in reverse order, so that the recorder seals last.

        A second Ctrl-C does not cut it short.
        """
        with undisturbed():
            self._end_processes()

    def _end_processes(self) -> None:
        hands = [name for name in self._children if name in self.rig.hands]
        self._end_together(sorted(hands, key=lambda name: self._children[name].poll() is None))  # the dead at once
        for watch in self._hand_watches:
            watch.close()
        for name in reversed(list(self._children)):
            if name not in hands:
                self._end_together([name])
        recorder_failed = self._exit_codes.get("recorder", 0) != 0
        self._children.clear()
        if recorder_failed and Path(self.rig.recorder.folder).is_dir():
            recover_folder(Path(self.rig.recorder.folder))
        shutil.rmtree(self.runtime, ignore_errors=True)

    def _end_together(self, names: list[str]) -> None:
        """Ask all of them to leave, then wait for each; a hand whose node did not end well is stopped from outside."""
        for name in names:
            with contextlib.suppress(ProcessLookupError):
                self._children[name].send_signal(signal.SIGTERM)
        for name in names:
            child = self._children[name]
            try:
                self._exit_codes[name] = child.wait(STOP_TIMEOUT_S.get(name, 5.0))
            except subprocess.TimeoutExpired:
                logger.error("the %s process did not leave in time and is killed", name)
                child.kill()
                self._exit_codes[name] = child.wait()
            if name not in self.rig.hands or self._exit_codes[name] == 0:
                continue
            if not self._stop_from_outside(name) and (self.runtime / f"{name}.ready").exists():
                self.powered_hands.append(self.rig.hands[name].name)
