from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import zmq

from skin_teleop.bus import (
    FEED_QUEUE,
    FOLLOWED,
    CommandInbox,
    CommandSender,
    Following,
    Latest,
    Publisher,
    RecorderFeed,
    announce_ready,
    endpoint,
)
from skin_teleop.clock import Stamp, Ticker
from skin_teleop.errors import BusError
from skin_teleop.frames import decode_rows
from skin_teleop.messages import DropCount, Event, HandCommand, JointTarget, WristTarget

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


def test_a_follower_gets_every_message_in_order_and_counts_what_is_none(runtime: Path, wait_factor: float) -> None:
    publisher = Publisher(runtime, "server")
    following = Following(runtime, "server", WristTarget, "wrist")

    def first() -> list[WristTarget] | None:
        publisher.send(wrist(0), "wrist")
        return following.take(20) or None

    assert eventually(first, wait_factor)[0].seq == 0
    for seq in range(1, FOLLOWED // 2):
        publisher.send(wrist(seq), "wrist")
        publisher.send(wrist(seq), "other")
    publisher._socket.send(b"WristTarget\0wrist\0cut short")
    publisher.send(wrist(FOLLOWED), "wrist")
    seen: list[int] = []

    def last() -> bool | None:
        seen.extend(message.seq for message in following.take(20))
        return seen[-1:] == [FOLLOWED] or None

    assert eventually(last, wait_factor)
    assert [seq for seq in seen if seq] == [*range(1, FOLLOWED // 2), FOLLOWED]
    assert following.rejected == 1
    assert following.take() == []
    following.close()
    publisher.close()


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


def bound_recorder(runtime: Path) -> zmq.Socket[bytes]:
    recorder = zmq.Context.instance().socket(zmq.PULL)
    recorder.setsockopt(zmq.RCVHWM, 2 * FEED_QUEUE)
    recorder.bind(endpoint(runtime, "recorder.pull"))
    return recorder


def test_a_full_road_to_the_recorder_counts_its_drops_and_tells_them_later(
    runtime: Path, wait_factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_rows = 4
    monkeypatch.setattr("skin_teleop.bus.FEED_BATCH_BYTES", batch_rows * WristTarget.row_dtype().itemsize)
    feed = RecorderFeed(runtime)  # no recorder yet
    taken = 0
    while feed.send(wrist(taken), "wrist"):
        taken += 1
    for _ in range(49):
        assert not feed.send(wrist(99_999), "wrist")
    assert feed.dropped == {"wrist": 50}
    assert FEED_QUEUE < taken <= (FEED_QUEUE + 1) * batch_rows
    recorder = bound_recorder(runtime)
    received: list[object] = []

    def told() -> DropCount | None:
        while recorder.poll(20):
            received.extend(message for message, _ in decode_rows(recorder.recv()))
        return next((m for m in received if isinstance(m, DropCount)), None)

    assert eventually(told, wait_factor) == DropCount("wrist", 50)
    rows = [m.seq for m in received if isinstance(m, WristTarget)]
    assert rows == list(range(taken))
    feed.close()
    recorder.close()


@pytest.fixture
def narrow(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> RecorderFeed:
    """A feed on whose road few frames fit, with twenty rows that nobody has taken yet."""
    monkeypatch.setattr("skin_teleop.bus.FEED_BATCH_MS", 3_600_000)  # the hour's tick does not come
    monkeypatch.setattr("skin_teleop.bus.FEED_QUEUE", 2)
    feed = RecorderFeed(runtime)
    for seq in range(20):
        assert feed.send(Event.now("mark", seq), "events")
    assert sum(map(len, feed._waiting.values())) > 10
    return feed


def test_a_producer_that_ends_waits_for_room_on_the_road(
    runtime: Path, narrow: RecorderFeed, monkeypatch: pytest.MonkeyPatch, wait_factor: float
) -> None:
    monkeypatch.setattr("skin_teleop.bus.FEED_CLOSE_MS", 5000 * wait_factor)
    recorder = bound_recorder(runtime)  # just back
    narrow.close()
    rows: list[int] = []

    def all_rows() -> bool | None:
        while recorder.poll(20):
            rows.extend(row.seq for row, _ in decode_rows(recorder.recv()))  # type: ignore[union-attr]
        return len(rows) == 20 or None

    eventually(all_rows, wait_factor)
    assert rows == list(range(20))
    assert narrow.dropped == {}
    recorder.close()


def test_rows_that_nobody_took_are_counted_at_the_end(narrow: RecorderFeed, caplog: pytest.LogCaptureFixture) -> None:
    left = sum(map(len, narrow._waiting.values()))
    narrow.close()
    assert narrow.dropped == {"events": left}
    assert f"the last {left} rows of events are lost" in caplog.text


def test_drops_that_the_recorder_was_never_told_are_logged_at_the_end(
    narrow: RecorderFeed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("skin_teleop.bus.FEED_BATCH_BYTES", 0)
    assert not narrow.send(wrist(1), "wrist")
    assert not narrow.send(wrist(2), "wrist")
    narrow.close()
    assert "the recorder was not told that 2 rows of wrist were dropped" in caplog.text
    assert "not told that 2 rows of events" not in caplog.text


def test_rows_share_frames_and_keep_their_order(runtime: Path, wait_factor: float) -> None:
    recorder, feed = bound_recorder(runtime), RecorderFeed(runtime)
    for seq in range(400):
        assert feed.send(wrist(seq), "wrist") and feed.send(wrist(seq), f"wrist_{seq % 2}")
    frames: list[bytes] = []

    def all_rows() -> list[tuple[object, str]] | None:
        while recorder.poll(20):
            frames.append(recorder.recv())
        rows = [row for frame in frames for row in decode_rows(frame)]
        return rows if len(rows) == 800 else None

    rows = eventually(all_rows, wait_factor)
    assert len(frames) < 400
    for stream, seqs in (("wrist", range(400)), ("wrist_0", range(0, 400, 2)), ("wrist_1", range(1, 400, 2))):
        assert [row.seq for row, name in rows if name == stream] == list(seqs)  # type: ignore[attr-defined]
    feed.close()
    recorder.close()


def test_an_event_takes_along_what_waits(runtime: Path, wait_factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skin_teleop.bus.FEED_BATCH_MS", 3_600_000)  # the hour's tick does not come
    recorder, feed = bound_recorder(runtime), RecorderFeed(runtime)
    for seq in range(3):
        feed.send(wrist(seq), "wrist")
    assert not recorder.poll(50)
    feed.send(Event.now("engaged", 7), "events")
    assert recorder.poll(5000 * wait_factor)
    assert [row.seq for row, _ in decode_rows(recorder.recv())] == [0, 1, 2]  # type: ignore[union-attr]
    assert recorder.poll(5000 * wait_factor)
    ((event, stream),) = decode_rows(recorder.recv())
    assert isinstance(event, Event) and (event.name, event.seq, stream) == ("engaged", 7, "events")
    feed.send(wrist(3), "wrist")
    feed.close()  # sends what still waits
    assert recorder.poll(5000 * wait_factor)
    assert [row.seq for row, _ in decode_rows(recorder.recv())] == [3]  # type: ignore[union-attr]
    recorder.close()


def test_a_folder_too_deep_for_a_socket_says_what_to_do() -> None:
    with pytest.raises(BusError, match="next: set TMPDIR to a short folder"):
        endpoint(Path("/" + "deep/" * 30), "hand.cmd")


def test_readiness_is_a_file(runtime: Path) -> None:
    announce_ready(runtime, "skin")
    assert (runtime / "skin.ready").exists()


@pytest.mark.parametrize(
    ("woken_ms", "reached_ms", "overruns"),
    [(10, 10, 0), (19.999, 10, 0), (20, 20, 1), (205, 200, 19), (3, 10, 0)],
)
def test_a_late_tick_is_the_deadline_just_reached_and_what_was_missed_is_counted(
    monkeypatch: pytest.MonkeyPatch, woken_ms: float, reached_ms: int, overruns: int
) -> None:
    now_ns = 0
    monkeypatch.setattr("skin_teleop.clock.mono_ns", lambda: now_ns)
    ticker = Ticker(10_000_000)
    now_ns = round(woken_ms * 1_000_000)
    assert ticker.advance() == reached_ms * 1_000_000
    assert ticker.overruns == overruns
    assert ticker.seconds_left() == pytest.approx((reached_ms + 10 - woken_ms) / 1000)
    assert ticker.advance() == (reached_ms + 10) * 1_000_000, "nothing is made up in a burst"
