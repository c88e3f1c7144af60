from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import zmq

from skin_teleop.bus import (
    RECORDER_QUEUE,
    CommandInbox,
    CommandSender,
    Latest,
    Publisher,
    RecorderFeed,
    announce_ready,
    endpoint,
)
from skin_teleop.clock import Stamp, Ticker
from skin_teleop.errors import BusError
from skin_teleop.messages import DropCount, HandCommand, JointTarget, WristTarget, decode

Result = TypeVar("Result")


def wrist(seq: int) -> WristTarget:
    return WristTarget.stamped(Stamp.now(), seq, pose=np.zeros(7, np.float32))


def eventually(look: Callable[[], Result | None], wait_factor: float) -> Result:
    deadline = time.monotonic() + 5 * wait_factor
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("nothing came")


def test_only_the_newest_value_is_taken(runtime: Path, wait_factor: float) -> None:
    publisher = Publisher(runtime, "server")
    latest = Latest(runtime, "server", WristTarget, "wrist")

    def first() -> WristTarget | None:
        publisher.send(wrist(1), "wrist")
        return latest.take(20)

    eventually(first, wait_factor)
    for seq in range(2, 200):
        publisher.send(wrist(seq), "wrist")

    def last() -> WristTarget | None:
        got = latest.take(20)
        return got if got is not None and got.seq == 199 else None

    assert eventually(last, wait_factor).seq == 199
    assert latest.take() is None
    publisher.close()
    latest.close()


def test_other_types_and_streams_are_not_delivered(runtime: Path, wait_factor: float) -> None:
    publisher = Publisher(runtime, "server")
    right = Latest(runtime, "server", WristTarget, "wrist")
    other_stream = Latest(runtime, "server", WristTarget, "wrist_left")
    other_type = Latest(runtime, "server", JointTarget, "wrist")

    def delivered() -> WristTarget | None:
        publisher.send(wrist(1), "wrist")
        return right.take(20)

    eventually(delivered, wait_factor)
    assert other_stream.take() is None
    assert other_type.take() is None
    for socket in (publisher, right, other_stream, other_type):
        socket.close()


def test_commands_arrive_in_order_and_rubbish_is_counted(runtime: Path, wait_factor: float) -> None:
    inbox = CommandInbox(runtime, "hand")
    sender = CommandSender(runtime, "hand")
    sender.send(HandCommand("arm", "operator"))
    sender.send(HandCommand("disarm"))
    got: list[object] = []

    def both() -> list[object] | None:
        got.extend(inbox.drain())
        return got if len(got) == 2 else None

    assert eventually(both, wait_factor) == [HandCommand("arm", "operator"), HandCommand("disarm")]
    raw = zmq.Context.instance().socket(zmq.PUSH)
    raw.connect(endpoint(runtime, "hand.cmd"))
    raw.send(b"rubbish")
    eventually(lambda: (list(inbox.drain()), inbox.rejected)[1] or None, wait_factor)
    assert inbox.rejected == 1
    for socket in (raw, sender, inbox):
        socket.close()


def test_a_full_road_to_the_recorder_counts_its_drops_and_tells_them_later(runtime: Path, wait_factor: float) -> None:
    feed = RecorderFeed(runtime)  # no recorder yet
    sent = RECORDER_QUEUE + 50
    for seq in range(sent):
        feed.send(wrist(seq), "wrist")
    assert feed.dropped == {"wrist": 50}
    recorder = zmq.Context.instance().socket(zmq.PULL)
    recorder.setsockopt(zmq.RCVHWM, 2 * sent)
    recorder.bind(endpoint(runtime, "recorder.pull"))
    received: list[object] = []

    def told() -> DropCount | None:
        feed.send(wrist(99_999), "wrist")
        while recorder.poll(20):
            received.append(decode(recorder.recv())[0])
        return next((m for m in received if isinstance(m, DropCount)), None)

    count = eventually(told, wait_factor)
    assert count.stream == "wrist"
    assert count.dropped == feed.dropped["wrist"] >= 50
    rows = [m.seq for m in received if isinstance(m, WristTarget)]
    assert rows[:RECORDER_QUEUE] == list(range(RECORDER_QUEUE))
    feed.close()
    recorder.close()


def test_a_folder_too_deep_for_a_socket_says_what_to_do() -> None:
    with pytest.raises(BusError, match="next: set TMPDIR to a short folder"):
        endpoint(Path("/" + "deep/" * 30), "hand.cmd")


def test_readiness_is_a_file(runtime: Path) -> None:
    announce_ready(runtime, "skin")
    assert (runtime / "skin.ready").exists()


def test_a_ticker_counts_what_it_missed_and_never_bursts() -> None:
    ticker = Ticker(10_000_000)
    time.sleep(0.035)
    reached = ticker.advance()
    assert ticker.overruns >= 2
    assert ticker.seconds_left() <= 0.011
    assert ticker.advance() - reached >= 3 * 10_000_000
