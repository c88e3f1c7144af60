"""The world as a process: the recorder gets truth, the skin's URL and the CAN channel answer, a stop is prompt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import can
import numpy as np
import pytest
import zmq
from websockets.sync.client import connect

import drivers.simulated.world_process as world_process
from drivers.allegro.codec import FingerPose, Frame, decode
from drivers.uskin.server_frame import parse_server_frame
from skin_teleop.bus import Latest, Publisher, endpoint
from skin_teleop.clock import NS_PER_MS, Stamp
from skin_teleop.frames import decode_rows
from skin_teleop.messages import Message, ProcessStatus, Truth, WristTarget
from skin_teleop.rig import Rig, load_rig

SET_PERIOD_3_MS = Frame(0x204, bytes.fromhex("030000000000"))


class RunningWorld:
    """The process in a thread of this test, with the recorder's and the server's ends of the bus."""

    def __init__(self, runtime: Path, wait_factor: float) -> None:
        self.runtime, self.wait_s = runtime, 10 * wait_factor
        self.rig: Rig = load_rig("simulated").on_free_ports()
        self.recorder: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
        self.recorder.bind(endpoint(runtime, "recorder.pull"))
        self.waiting: list[tuple[Message, str]] = []
        self.server = Publisher(runtime, "server")
        self.stop = threading.Event()
        self.thread = threading.Thread(target=world_process.run, args=(self.rig, runtime, self.stop))
        self.thread.start()
        self.until(lambda: (runtime / "world.ready").exists())

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.wait_s
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            assert self.thread.is_alive(), "the world ended by itself"
            time.sleep(0.005)

    def next_truth(self) -> Truth:
        if not self.waiting:
            assert self.recorder.poll(int(self.wait_s * 1000))
            self.waiting = decode_rows(self.recorder.recv())
        message, stream = self.waiting.pop(0)
        assert isinstance(message, Truth)
        assert stream == "truth"
        return message

    def close(self) -> None:
        self.stop.set()
        self.thread.join(self.wait_s)
        self.recorder.close(linger=0)
        self.server.close()


@pytest.fixture
def running(runtime: Path, monkeypatch: pytest.MonkeyPatch, wait_factor: float) -> Iterator[RunningWorld]:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    world = RunningWorld(runtime, wait_factor)
    yield world
    world.close()


def test_truth_reaches_the_recorder_with_simulated_time(running: RunningWorld) -> None:
    truths = [running.next_truth() for _ in range(30)]
    steps_ns = np.diff([truth.t_dev for truth in truths])
    assert set(steps_ns) == {10 * NS_PER_MS}
    assert all(truth.t_dev % (10 * NS_PER_MS) == 0 for truth in truths)
    assert [truth.seq for truth in truths] == list(range(truths[0].seq, truths[0].seq + 30))
    assert np.diff([truth.t_mono for truth in truths]).min() > 0


def test_the_hand_streams_on_can_and_the_skin_on_its_url(running: RunningWorld) -> None:
    host = can.Bus(interface=running.rig.hand.can_interface, channel=running.rig.hand.can_channel)
    host.send(can.Message(arbitration_id=SET_PERIOD_3_MS.id, data=SET_PERIOD_3_MS.data, is_extended_id=False))
    fingers = []
    while len(fingers) < 40:
        message = host.recv(timeout=running.wait_s)
        assert message is not None
        event = decode(message.arbitration_id, bytes(message.data), message.is_remote_frame)
        assert isinstance(event, FingerPose)
        fingers.append(event.finger)
    host.shutdown()
    assert fingers == [0, 1, 2, 3] * 10
    with connect(running.rig.skin.url, compression=None) as skin:
        assert parse_server_frame(skin.recv(timeout=running.wait_s)) is None
        frame = parse_server_frame(skin.recv(timeout=running.wait_s))
    assert frame is not None
    assert frame.flux.shape == (368, 3)
    assert frame.flux[:, 2].mean() == pytest.approx(36500, abs=200)


def test_the_palm_follows_the_newest_wrist_target(running: RunningWorld) -> None:
    home = running.next_truth().palm_pose
    target = home + np.array([0, 0, 0.03, 0, 0, 0, 0], np.float32)

    def palm_arrived() -> bool:
        running.server.send(WristTarget.stamped(Stamp.now(), 1, pose=target), "wrist")
        return abs(float(running.next_truth().palm_pose[2] - target[2])) < 0.003

    running.until(palm_arrived)


def test_the_realtime_factor_is_told_once_a_second(running: RunningWorld) -> None:
    status = Latest(running.runtime, "world", ProcessStatus, "status")
    told = status.take(int(running.wait_s * 1000))
    status.close()
    assert told is not None
    assert told.detail.startswith("realtime factor ")
    assert 0.05 < float(told.detail.split()[-1]) < 1.1


def test_a_stop_ends_the_process_and_frees_its_wires(running: RunningWorld) -> None:
    running.next_truth()
    running.close()
    assert not running.thread.is_alive()
    assert list((running.runtime / "can-hand").glob("*.sock")) == []
    with pytest.raises(OSError):
        connect(running.rig.skin.url, open_timeout=1)


class FakeClock:
    """Time that passes only when someone sleeps or works."""

    def __init__(self) -> None:
        self.now_ns = 0

    def mono_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def work_ms(self, ms: float) -> None:
        self.now_ns += round(ms * NS_PER_MS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(world_process, "mono_ns", clock.mono_ns)
    monkeypatch.setattr(world_process.time, "sleep", clock.sleep)
    return clock


def test_a_fast_machine_keeps_real_time(clock: FakeClock) -> None:
    pace = world_process.Pace(3 * NS_PER_MS)
    for _ in range(400):
        clock.work_ms(1)
        pace.wait()
    assert clock.now_ns == 1200 * NS_PER_MS
    assert pace.realtime_factor() == pytest.approx(1.0)


def test_a_short_delay_is_caught_up(clock: FakeClock) -> None:
    pace = world_process.Pace(3 * NS_PER_MS)
    clock.work_ms(25)
    for _ in range(400):
        clock.work_ms(1)
        pace.wait()
    assert clock.now_ns == 1200 * NS_PER_MS


def test_a_slow_machine_slows_simulated_time(clock: FakeClock) -> None:
    pace = world_process.Pace(3 * NS_PER_MS)
    for _ in range(300):
        clock.work_ms(6)
        pace.wait()
    assert pace.realtime_factor() == pytest.approx(0.5, abs=0.01)
    assert pace.realtime_factor() is None, "told once a second"


def test_a_skin_frame_leaves_at_its_own_moment_between_the_hands(clock: FakeClock) -> None:
    """Each control period of 3 ms is simulated at its beginning; frames are due every 10 ms."""
    pace, due_ms, left_ms = world_process.Pace(3 * NS_PER_MS), 10, []
    for turn in range(20):
        clock.work_ms(0.4)
        if 3 * turn + 3 >= due_ms:
            pace.wait_for(due_ms * NS_PER_MS)
            left_ms.append(clock.now_ns / NS_PER_MS)
            due_ms += 10
        pace.wait()
    assert left_ms == [10, 20, 30, 40, 50, 60]
    assert clock.now_ns == 60 * NS_PER_MS


def test_a_frame_that_is_late_leaves_at_once_and_slipped_time_moves_the_next(clock: FakeClock) -> None:
    pace = world_process.Pace(3 * NS_PER_MS)
    clock.work_ms(50)
    pace.wait_for(10 * NS_PER_MS)
    assert clock.now_ns == 50 * NS_PER_MS
    pace.wait()  # 47 ms behind is more than it catches up, so simulated 3 ms is now
    pace.wait_for(10 * NS_PER_MS)
    assert clock.now_ns == 57 * NS_PER_MS
