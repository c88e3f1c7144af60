"""One process of a rig on its own, with the bench as its recorder: what it sends, and what processor time it takes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import zmq

from skin_teleop.bus import endpoint
from skin_teleop.errors import ProcessDied
from skin_teleop.frames import decode_rows
from skin_teleop.messages import Message
from skin_teleop.rig import Rig

START_TIMEOUT_S = 30.0


class LoneProcess:
    """A hand or skin process without the rest of its rig."""

    def __init__(self, name: str, runtime: Path, child: subprocess.Popen[bytes]) -> None:
        self._name = name
        self._runtime = runtime
        self._child = child
        self._pull: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
        self._pull.setsockopt(zmq.RCVHWM, 100_000)
        self._pull.bind(endpoint(runtime, "recorder.pull"))

    def wait_ready(self) -> None:
        """Wait until it serves; raises ProcessDied with its last words when it does not."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self._runtime / f"{self._name}.ready").exists():
            if self._child.poll() is not None or time.monotonic() > deadline:
                words = (self._runtime / f"{self._name}.log").read_text(errors="replace").strip()
                raise ProcessDied(f"the {self._name} process did not start", found=words[-300:])
            time.sleep(0.02)

    def messages(self, seconds: float) -> list[Message]:
        """Everything it sends to the recorder in so many seconds from now."""
        self._drain()
        taken: list[Message] = []
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            if self._pull.poll(round(left_s * 1000) + 1):
                taken += self._drain()
                time.sleep(min(0.05, left_s))  # batches, so that the bench takes little of the machine
        return taken

    def _drain(self) -> list[Message]:
        taken: list[Message] = []
        while self._pull.poll(0):
            taken += [message for message, _ in decode_rows(self._pull.recv())]
        return taken

    def cpu_s(self) -> float:
        """Processor seconds that the process has used, all threads (/proc/PID/stat, fields 14 and 15)."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process and the recorder's socket."""
        self._child.terminate()
        self._child.wait(10)
        self._pull.close()


@contextlib.contextmanager
def runtime_folder() -> Iterator[Path]:
    """A runtime folder for this process and its child, named in the environment as a rig's is."""
    runtime = Path(tempfile.mkdtemp(prefix="skt-"))
    before = os.environ.get("SKIN_TELEOP_RUNTIME")
    os.environ["SKIN_TELEOP_RUNTIME"] = str(runtime)
    try:
        yield runtime
    finally:
        os.environ.pop("SKIN_TELEOP_RUNTIME")
        if before is not None:
            os.environ["SKIN_TELEOP_RUNTIME"] = before
        shutil.rmtree(runtime, ignore_errors=True)


@contextlib.contextmanager
def lone_process(name: str, rig: Rig, runtime: Path) -> Iterator[LoneProcess]:
    """Start one process of a rig as the supervisor would, wait until it serves, and end it afterwards."""
    rig.save(runtime)
    with (runtime / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "skin_teleop.cli.process", name, str(runtime), str(os.getpid())],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    process = LoneProcess(name, runtime, child)
    try:
        process.wait_ready()
        yield process
    finally:
        process.close()
