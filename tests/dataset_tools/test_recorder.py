from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zmq

from dataset_tools.reader import open_session
from dataset_tools.recorder import Recorder, run
from dataset_tools.session_folder import LOG_FOLDER
from skin_teleop.bus import FEED_BATCH_MS, CommandSender, Latest, RecorderFeed, endpoint
from skin_teleop.clock import Stamp
from skin_teleop.frames import encode
from skin_teleop.messages import DropCount, Event, RecorderCommand, RecorderStatus, WristTarget
from skin_teleop.rig import Rig


def wrist(k: int) -> WristTarget:
    return WristTarget.stamped(Stamp.now(), k, pose=np.full(7, k, np.float32))


@dataclass
class Bench:
    """A recorder in a thread, and the ends that a rig has on it."""

    runtime: Path
    folder: Path
    wait_s: float
    stop: threading.Event
    thread: threading.Thread
    commands: CommandSender
    feed: RecorderFeed
    statuses: Latest[RecorderStatus]
    newest: RecorderStatus | None = None

    def until(self, condition: Callable[[RecorderStatus], object]) -> RecorderStatus:
        """Wait for a status that fulfils a condition."""
        deadline = time.monotonic() + self.wait_s
        while time.monotonic() < deadline:
            self.newest = self.statuses.take(50) or self.newest
            if self.newest is not None and condition(self.newest):
                return self.newest
        raise AssertionError(f"status never came, newest was {self.newest}")

    def order(self, action: str, **more: object) -> None:
        self.commands.send(RecorderCommand(action, **more))

    def recorded(self, rows: int = 5, **start: object) -> Path:
        """Record one session of so many rows; returns where it is sealed."""
        before = self.newest.last_sealed if self.newest else ""
        self.order("start", **start)
        self.until(lambda status: status.state == "recording")
        for k in range(rows):
            assert self.feed.send(wrist(k), "wrist")
        self.until(lambda status: status.rows.get("wrist") == rows)
        self.order("stop")
        return Path(self.until(lambda s: s.state == "idle" and s.last_sealed not in ("", before)).last_sealed)


def bench_for(rig: Rig, runtime: Path, wait_factor: float) -> Bench:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(rig, runtime, stop))
    thread.start()
    commands, feed = CommandSender(runtime, "recorder"), RecorderFeed(runtime)
    statuses = Latest(runtime, "recorder", RecorderStatus)
    folder = Path(rig.recorder.folder)
    return Bench(runtime, folder, 20 * wait_factor, stop, thread, commands, feed, statuses)


def leave(bench: Bench) -> None:
    bench.stop.set()
    bench.thread.join(bench.wait_s)
    assert not bench.thread.is_alive()


@pytest.fixture
def bench(rig: Rig, runtime: Path, wait_factor: float) -> Iterator[Bench]:
    bench = bench_for(rig, runtime, wait_factor)
    bench.until(lambda status: status.state == "idle")
    yield bench
    leave(bench)
    for part in (bench.commands, bench.feed, bench.statuses):
        part.close()


def test_rows_between_start_and_stop_are_sealed(bench):
    assert (bench.runtime / "recorder.ready").exists()
    bench.feed.send(wrist(99), "wrist")  # idle: discarded
    time.sleep(10 * FEED_BATCH_MS / 1000)
    session = open_session(bench.recorded(rows=40, object="can", plan=("squeeze",), operator="p3"))
    assert session.status == "sealed"
    assert session.streams["wrist"]["seq"].tolist() == list(range(40))
    assert session.streams["wrist"]["pose"][:, 6].tolist() == list(range(40))
    assert (session.meta["object"], session.meta["plan"], session.meta["operator"]) == ("can", ["squeeze"], "p3")
    assert [name for _, name, _ in session.events()] == ["session_started", "session_stopped"]


def test_rows_handed_over_just_before_the_stop_are_kept(bench):
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    for k in range(25):
        bench.feed.send(wrist(k), "wrist")
    bench.order("stop")  # some of the rows still wait for their batch to be sent
    sealed = bench.until(lambda status: status.state == "idle" and status.last_sealed).last_sealed
    assert open_session(sealed).streams["wrist"]["seq"].tolist() == list(range(25))


def test_the_folder_of_the_command_wins(bench, tmp_path):
    assert bench.recorded(folder=str(tmp_path / "elsewhere")).parent == tmp_path / "elsewhere"


def test_marks_become_events(bench):
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    bench.order("mark", label="squeeze", edge="begin")
    bench.order("mark", label="x" * 3000, edge="begin")  # too long: refused, the recording goes on
    bench.order("mark", label="squeeze", edge="end")
    bench.until(lambda status: status.rows.get("events") == 3)
    bench.order("stop")
    sealed = bench.until(lambda status: status.state == "idle").last_sealed
    marks = [facts for _, name, facts in open_session(sealed).events() if name == "mark"]
    assert marks == [{"label": "squeeze", "edge": "begin"}, {"label": "squeeze", "edge": "end"}]


def test_the_open_mark_is_told_until_it_ends_or_the_recording_does(bench):
    told = []
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    for count, (label, edge) in enumerate(
        [("squeeze", "begin"), ("slide", "end"), ("slide", ""), ("squeeze", "end"), ("slide", "begin")], 2
    ):
        bench.order("mark", label=label, edge=edge)
        told.append(bench.until(lambda status, count=count: status.rows.get("events") == count).marking)
    bench.order("stop")
    told.append(bench.until(lambda status: status.state != "recording").marking)
    assert told == ["squeeze", "squeeze", "squeeze", "", "slide", ""]


@pytest.mark.parametrize("verdict", ["keep", "discard"])
def test_a_stopped_session_waits_for_one_verdict(bench, verdict):
    assert not bench.newest.unjudged  # of an earlier recorder's session nothing is known
    bench.order("start")
    assert not bench.until(lambda status: status.state == "recording").unjudged
    bench.order("stop")
    bench.until(lambda status: status.state == "idle" and status.unjudged)
    bench.order(verdict)
    bench.until(lambda status: not status.unjudged)
    assert bench.newest.state == "idle"


def test_what_is_no_row_is_counted_and_dropped(bench):
    row = wrist(1).pack()
    raw = zmq.Context.instance().socket(zmq.PUSH)
    raw.connect(endpoint(bench.runtime, "recorder.pull"))
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    for frame in (
        b"",
        b"no frame at all",
        b"\xff\xfe\0wrist\0payload",
        b"WristTarget\0../../etc\0" + bytes(57),
        b"WristTarget\0wrist\0" + bytes(56),
        b"WristTarget\0wrist\0",
        b"WristTarget\0wrist\0" + row + row[:-1],
        b"DropCount\0\0\xc1",
        encode(RecorderStatus("idle")),
        encode(DropCount("x" * 2000, 5)),
        encode(DropCount("wrist", -5)),
        b"WristTarget\0wrist\0" + row + row + row,  # three rows
        b"WristTarget\0wrist\0" + row + row[:-1],
    ):
        raw.send(frame)
    bench.until(lambda status: status.rows.get("wrist") == 3 and status.rejected == 12)
    bench.order("stop")
    sealed = bench.until(lambda status: status.state == "idle").last_sealed
    assert set(open_session(sealed).streams) == {"wrist", "events"}
    assert open_session(sealed).streams["wrist"]["seq"].tolist() == [1, 1, 1]
    raw.close(0)


def test_drops_of_a_session_are_stored_and_shown(bench):
    bench.feed.send(DropCount("wrist", 5))  # before the session: not its loss
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    bench.feed.send(wrist(0), "wrist")
    for total in (7, 9, 2):  # the last comes from a producer that started anew
        bench.feed.send(DropCount("wrist", total))
    bench.until(lambda status: status.dropped == {"wrist": 6})
    bench.order("stop")
    sealed = bench.until(lambda status: status.state == "idle").last_sealed
    assert open_session(sealed).streams["wrist"].attributes["dropped"] == 6


def test_discard_moves_to_the_trash_and_keep_is_noted(bench):
    first = bench.recorded()
    bench.order("keep")
    bench.order("keep")
    second = bench.recorded()
    bench.order("discard")
    bench.until(lambda status: status.last_sealed == "")
    assert json.loads((first / "session.json").read_text())["notes"] == ["kept"]
    assert not second.exists()
    assert open_session(second.parent / "trash" / second.name).streams["wrist"].rows == 5


def test_a_session_can_start_while_the_last_one_is_sealed(bench):
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    bench.feed.send(wrist(0), "wrist")
    bench.until(lambda status: status.rows.get("wrist") == 1)
    first = bench.newest.session
    bench.order("stop")
    bench.order("start")
    bench.until(lambda status: status.state == "recording" and status.session != first)
    bench.order("start")  # already recording: nothing changes
    bench.feed.send(wrist(0), "wrist")
    bench.until(lambda status: status.rows.get("wrist") == 1)
    second = bench.newest.session
    bench.order("stop")
    bench.until(lambda status: status.last_sealed == second.removesuffix(".rec"))
    assert sorted(path.name for path in bench.folder.iterdir()) == sorted(
        Path(name).name.removesuffix(".rec") for name in (first, second)
    )


def test_a_recording_is_sealed_when_the_process_is_told_to_leave(rig, runtime, wait_factor):
    bench = bench_for(rig, runtime, wait_factor)
    bench.until(lambda status: status.state == "idle")
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    bench.feed.send(wrist(3), "wrist")
    bench.until(lambda status: status.rows.get("wrist") == 1)
    leave(bench)
    (sealed,) = bench.folder.iterdir()
    assert open_session(sealed).status == "sealed"
    assert open_session(sealed).streams["wrist"]["seq"].tolist() == [3]
    for part in (bench.commands, bench.feed, bench.statuses):
        part.close()


def test_leftovers_are_recovered_at_the_start(rig, record, runtime, wait_factor):
    left = record(seconds=0.5)
    bench = bench_for(rig, runtime, wait_factor)
    bench.until(lambda status: status.state == "idle")
    leave(bench)
    assert not left.exists()
    assert open_session(left.with_name(left.name.removesuffix(".rec"))).streams["uskin"].rows == 50
    for part in (bench.commands, bench.feed, bench.statuses):
        part.close()


@pytest.mark.parametrize("keep_wal", [True, False])
def test_a_recovered_session_keeps_its_log_where_the_rig_says_so(rig, record, runtime, wait_factor, keep_wal):
    left = record(seconds=0.5)
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, keep_wal=keep_wal))
    bench = bench_for(rig, runtime, wait_factor)
    leave(bench)
    assert left.with_name(left.name.removesuffix(".rec")).joinpath(LOG_FOLDER).is_dir() == keep_wal
    for part in (bench.commands, bench.feed, bench.statuses):
        part.close()


def test_a_start_that_is_refused_leaves_nothing_and_the_next_one_works(bench):
    bench.order("start", object="o" * 1100)
    bench.until(lambda status: status.rejected == 1)
    assert not bench.folder.exists() or list(bench.folder.iterdir()) == []
    assert open_session(bench.recorded(rows=3)).streams["wrist"].rows == 3


def test_the_process_ends_even_when_its_last_rows_fail(rig, runtime, monkeypatch):
    recorder = Recorder(rig, runtime)
    monkeypatch.setattr(recorder, "_take_rows", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recorder.close()
    assert "sealing" not in {thread.name for thread in threading.enumerate()}


def test_a_start_that_fails_is_told_and_the_next_one_works(bench, tmp_path):
    (tmp_path / "file").write_text("")
    bench.order("start", folder=str(tmp_path / "file" / "sessions"))
    status = bench.until(lambda status: status.state == "failed")
    assert "cannot start a session in" in status.message
    assert bench.recorded().is_dir()
    assert bench.newest.message == ""


def test_a_disk_that_fails_ends_the_recording_loudly_and_keeps_the_rows(bench, monkeypatch):
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    bench.feed.send(wrist(0), "wrist")
    bench.until(lambda status: status.session and "wrist" in open_session(status.session).streams)
    with monkeypatch.context() as patch:
        patch.setattr("os.writev", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        bench.feed.send(wrist(1), "wrist")
        status = bench.until(lambda status: status.state == "failed")
    assert "No space left on device" in status.message and "skin-teleop recover" in status.message
    assert open_session(status.session).streams["wrist"]["seq"].tolist() == [0]
    assert open_session(status.session).status == "interrupted"


def test_other_events_share_the_stream(bench):
    bench.order("start")
    bench.until(lambda status: status.state == "recording")
    bench.feed.send(Event.now("engaged", 1), "events")
    bench.until(lambda status: status.rows.get("events") == 2)
    bench.order("stop")
    sealed = bench.until(lambda status: status.state == "idle").last_sealed
    assert [name for _, name, _ in open_session(sealed).events()] == ["session_started", "engaged", "session_stopped"]
