"""A server process in this test's own process, with stand-ins for the recorder and the hand at its sockets."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from server import process
from skin_teleop.bus import CommandInbox, Publisher, endpoint
from skin_teleop.frames import decode_rows
from skin_teleop.messages import Event, HandCommand, JointTarget, RecorderCommand, RecorderStatus
from skin_teleop.rig import Rig, free_port, load_rig

TOKEN = "a-test-token"
Poll = Callable[[Callable[[], Any], str], Any]


@pytest.fixture
def poll(wait_factor: float) -> Poll:
    """Call a condition until it is true, and return its value; fail with `what` after a while."""

    def wait(condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + 5 * wait_factor
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited for {what}"
            time.sleep(0.005)
        return value

    return wait


@dataclass
class StandIns:
    """The rig around the server: everything it was sent, in order."""

    rig: Rig
    runtime: Path
    pull: zmq.Socket[bytes]
    hand: CommandInbox
    recorder: CommandInbox
    status: Publisher
    stop: threading.Event
    rows: list[tuple[Any, str]] = field(default_factory=list)
    orders: list[HandCommand] = field(default_factory=list)
    recorder_orders: list[RecorderCommand] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.rig.server.port}/ws/operator"

    def drain(self) -> None:
        while self.pull.poll(0):
            self.rows.extend(decode_rows(self.pull.recv()))
        self.orders += self.hand.drain()
        self.recorder_orders += self.recorder.drain()

    def stream(self, name: str) -> list[Any]:
        self.drain()
        return [row for row, stream in self.rows if stream == name]

    def events(self) -> list[Event]:
        return self.stream("events")

    def event_names(self) -> list[str]:
        return [event.name for event in self.events()]

    def targets(self) -> list[JointTarget]:
        return self.stream("allegro_target")

    def actions(self) -> list[str]:
        self.drain()
        return [order.action for order in self.orders]

    def recorder_actions(self) -> list[str]:
        self.drain()
        return [order.action for order in self.recorder_orders]

    def say(self, status: RecorderStatus) -> None:
        self.status.send(status)


@pytest.fixture
def served(runtime: Path, poll: Poll) -> Iterator[StandIns]:
    """A running server on a free port."""
    rig = load_rig("simulated")
    own = dataclasses.replace(rig.server, port=free_port(), operators=str(runtime / "operators"))
    rig = dataclasses.replace(rig, server=own)
    (runtime / "pairing_token").write_text(TOKEN)
    stop = threading.Event()
    pull = zmq.Context.instance().socket(zmq.PULL)
    pull.setsockopt(zmq.LINGER, 0)
    pull.bind(endpoint(runtime, "recorder.pull"))
    around = StandIns(
        rig,
        runtime,
        pull,
        CommandInbox(runtime, "hand"),
        CommandInbox(runtime, "recorder"),
        Publisher(runtime, "recorder"),
        stop,
    )
    serving = threading.Thread(target=process.run, args=(rig, runtime, stop))
    serving.start()
    try:
        poll(lambda: (runtime / "server.ready").exists() or not serving.is_alive(), "the server")
        yield around
    finally:
        stop.set()
        serving.join()
        for socket in (pull, around.hand, around.recorder, around.status):
            socket.close()


@pytest.fixture
def hand_pose() -> np.ndarray:
    """(25, 7) float32: a plausible open right hand, 1.2 m above the floor, unit quaternions."""
    return open_hand()


def open_hand() -> np.ndarray:
    pose = np.zeros((25, 7), np.float32)
    pose[:, 6] = 1.0
    for finger, first in enumerate((5, 10, 15, 20)):
        for k, z in enumerate((0.03, 0.09, 0.13, 0.155, 0.175)):
            pose[first + k, :3] = (-0.025 + 0.02 * finger, -0.004 * k, -z)
    for k, point in enumerate(((-0.03, -0.01, -0.03), (-0.05, -0.025, -0.055), (-0.06, -0.035, -0.08))):
        pose[1 + k, :3] = point
    pose[4, :3] = (-0.065, -0.045, -0.1)
    pose[:, :3] += np.array([0.0, 1.2, -0.3], np.float32)
    return pose
