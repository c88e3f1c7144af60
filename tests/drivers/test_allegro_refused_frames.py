"""A bus that takes no frames, or lost the one that mattered: the hand node says it again, faults, and ends in error."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import can
import numpy as np
import pytest

from drivers.allegro import link, node, safe_stop
from drivers.allegro.codec import FingerPose, HandInfo, HandStatus
from drivers.allegro.link import HandLink
from drivers.allegro.node import _HandLoop
from drivers.allegro.safety import HandState, Transition
from skin_teleop.clock import NS_PER_MS, NS_PER_S, Stamp, mono_ns
from skin_teleop.errors import DeviceError
from skin_teleop.messages import HandCommand, HandHealth, JointTarget
from skin_teleop.rig import HandConfig, load_rig

INFO = HandInfo(0x0402, 0x0406, False, 60, HandStatus.SERVO_ON)
OFF_IDS = [0x180, 0x184, 0x188, 0x18C, 0x104]


class HalfBus(can.BusABC):
    """Takes every frame, or none."""

    def __init__(self) -> None:
        super().__init__("half")
        self.refuses, self.sent = False, []

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        if self.refuses:
            raise can.CanOperationError("No buffer space available", 105)
        self.sent.append(msg.arbitration_id)


class Ends:
    """The node's ends on the message bus, without one."""

    def __init__(self) -> None:
        self.waiting: list[HandCommand] = []
        self.changes: list[Transition] = []
        self.healths: list[HandHealth] = []
        self.engaged = False
        self.seq = 0

    def commands(self) -> list[HandCommand]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def target(self) -> JointTarget | None:
        if not self.engaged:
            return None
        self.seq += 1
        facts = {"engaged": 1, "valid_until": mono_ns() + 60 * NS_PER_S, "pose_seq": 0, "t_pose": 0}
        return JointTarget.stamped(Stamp.now(), self.seq, target=np.full(16, 0.3), **facts)

    def transition(self, change: Transition) -> None:
        self.changes.append(change)

    def ready(self) -> None: ...

    def cycle(self, sample: object) -> None: ...

    def health(self, sample: HandHealth) -> None:
        self.healths.append(sample)

    def wrist(self) -> None: ...


class Limp:
    """A hand that carries no weight."""

    def torque_nm(self, position_rad: np.ndarray) -> None: ...


class Bench:
    """A hand loop that has been woken, on a bus that may refuse; its clock is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = mono_ns()
        for module in (node, link):
            monkeypatch.setattr(module, "mono_ns", lambda: self.now_ns)
        self.bus, self.ends = HalfBus(), Ends()
        config = HandConfig(hold_after_ms=1000, relax_after_ms=5000)
        self.loop = _HandLoop(config, HandLink(self.bus, config), self.ends, Limp())
        self.loop._startup = None
        self.loop._woken(INFO, "")

    def cycles(self, seconds: float, *, silent: bool = False) -> None:
        """Time passes; the hand streams its poses, or is silent."""
        for _ in range(round(seconds / 0.003)):
            self.now_ns += 3 * NS_PER_MS
            self.loop._silent_ns += 3 * NS_PER_MS
            for finger in range(0 if silent else 4):
                self.loop._hear(FingerPose(finger, (0, 0, 0, 0)), self.now_ns)
            if self.now_ns >= self.loop._next_watch_ns:
                self.loop._watch(self.now_ns)

    @property
    def state(self) -> HandState:
        return self.loop._safety.state


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.bus.shutdown()


def test_a_servo_off_that_was_lost_is_sent_again_every_second(bench):
    bench.ends.waiting = [HandCommand("emergency_stop", "operator")]
    bench.bus.refuses = True
    bench.cycles(0.003)
    assert bench.state is HandState.FAULT
    assert not bench.bus.sent[2:], "only what switched the hand on was taken"
    bench.bus.refuses = False
    bench.cycles(2.1)
    assert bench.bus.sent.count(0x104) == 2
    last = len(bench.bus.sent) - 1 - bench.bus.sent[::-1].index(0x104)
    assert bench.bus.sent[last - 4 : last + 1] == OFF_IDS


def test_a_hand_with_power_is_not_told_so(bench):
    bench.cycles(2.1)
    assert bench.state is HandState.READY
    assert 0x104 not in bench.bus.sent


def test_a_bus_that_takes_no_frames_ends_the_motion(bench):
    bench.ends.waiting, bench.ends.engaged = [HandCommand("arm")], True
    bench.cycles(0.1)
    assert bench.state is HandState.FOLLOW
    bench.bus.refuses = True
    bench.cycles(0.09)
    assert bench.state is HandState.FOLLOW
    bench.cycles(0.04)
    assert bench.state is HandState.FAULT
    cause = bench.ends.changes[-1].cause
    assert cause.startswith("the bus takes no frames, 1") and cause.endswith(" were refused: cut the hand's power")
    bench.bus.refuses = False
    bench.cycles(1.5)
    assert 0x104 in bench.bus.sent
    assert bench.state is HandState.FAULT, "the hand must answer anew"
    bench.loop._hear(INFO, bench.now_ns)
    bench.cycles(0.06)
    assert bench.state is HandState.READY


def test_a_hand_that_falls_silent_on_a_bus_that_takes_no_frames_faults_by_the_bus(bench):
    bench.ends.waiting, bench.ends.engaged = [HandCommand("arm")], True
    bench.cycles(0.1)
    bench.bus.refuses = True
    bench.cycles(0.3, silent=True)
    assert [change.after for change in bench.ends.changes] == [
        HandState.READY, HandState.FOLLOW, HandState.HOLD, HandState.FAULT,
    ]  # fmt: skip
    assert "the bus takes no frames" in bench.ends.changes[-1].cause


def test_a_fault_is_told_at_once_and_lasts_until_it_was_seen(bench):
    bench.cycles(0.1)
    bench.loop._lose("the hand's servo is off")
    told = len(bench.ends.healths)
    assert bench.ends.healths[-1].state == HandState.FAULT
    bench.loop._hear(INFO, bench.now_ns)
    bench.cycles(0.95)
    assert bench.state is HandState.FAULT
    assert {health.state for health in bench.ends.healths[told:]} <= {HandState.FAULT}
    bench.cycles(0.1)
    assert bench.state is HandState.READY
    assert [health.seq for health in bench.ends.healths] == list(range(len(bench.ends.healths)))


def test_a_hand_does_not_wake_up_while_the_bus_takes_no_frames(bench):
    bench.cycles(0.1)
    bench.bus.refuses = True
    bench.cycles(0.2)
    bench.loop._hear(INFO, bench.now_ns)
    bench.cycles(3.0)
    assert [change.after for change in bench.ends.changes] == [HandState.READY, HandState.FAULT]
    bench.bus.refuses = False
    bench.cycles(1.1)
    assert bench.state is HandState.READY


def test_an_emergency_stop_that_the_bus_does_not_take_is_told_once(bench):
    bench.cycles(0.1)
    bench.bus.refuses, bench.ends.waiting = True, [HandCommand("emergency_stop", "operator")]
    bench.cycles(3.0)
    stopped, told = bench.ends.changes[1:]
    assert (stopped.after, stopped.cause) == (HandState.FAULT, "emergency_stop: operator")
    assert (told.before, told.after) == (HandState.FAULT, HandState.FAULT)
    assert told.cause.endswith("were refused: cut the hand's power")
    bench.bus.refuses = False
    bench.cycles(0.1)
    bench.bus.refuses = True
    bench.cycles(0.2)
    assert len(bench.ends.changes) == 4, "and again when it happens again"


def test_of_a_hand_that_never_had_power_nothing_is_to_be_cut(bench):
    config = HandConfig()
    bench.loop = _HandLoop(config, HandLink(bench.bus, config), bench.ends, Limp())
    bench.bus.refuses, bench.ends.changes = True, []
    bench.cycles(3.0, silent=True)
    assert bench.loop._link.refused_ns > NS_PER_S
    assert (bench.state, bench.ends.changes) == (HandState.OFF, [])


def test_a_bus_that_takes_one_frame_in_four_goes_on(bench, monkeypatch):
    bench.ends.waiting, bench.ends.engaged = [HandCommand("arm")], True
    bench.cycles(0.1)
    taken = iter(range(100_000))

    def send(msg: can.Message) -> None:
        if next(taken) % 4:
            raise can.CanOperationError("No buffer space available", 105)

    monkeypatch.setattr(bench.bus, "send", send)
    bench.cycles(0.5)
    assert bench.state is HandState.FOLLOW


def test_a_node_whose_stop_frames_are_refused_ends_in_error(runtime, monkeypatch):
    monkeypatch.setattr(safe_stop, "TRY_FOR_S", 0.005)
    bus, stop = HalfBus(), threading.Event()
    bus.refuses = True
    monkeypatch.setattr(node, "open_bus", lambda config: bus)
    monkeypatch.setattr(bus, "_recv_internal", lambda timeout: (None, False))
    stop.set()
    with pytest.raises(DeviceError, match=r"hand allegro should be left without power; found: 'hand' took 0 of 6"):
        node.run(load_rig("simulated"), runtime, stop)


def test_a_bus_that_cannot_be_left_does_not_hide_what_went_wrong(runtime, monkeypatch):
    bus = HalfBus()
    monkeypatch.setattr(node, "open_bus", lambda config: bus)
    monkeypatch.setattr(node, "HandReports", lambda *_, **__: pytest.fail("no sockets"))

    def gone() -> None:
        monkeypatch.undo()
        raise can.CanOperationError("Network is down", 100)

    monkeypatch.setattr(bus, "shutdown", gone)
    with pytest.raises(pytest.fail.Exception, match="no sockets"):
        node.run(load_rig("simulated"), runtime, threading.Event())
    bus.shutdown()


def test_the_stop_frames_come_even_when_the_node_cannot_be_built(runtime, monkeypatch):
    bus = HalfBus()
    monkeypatch.setattr(node, "open_bus", lambda config: bus)
    monkeypatch.setattr(node, "HandReports", lambda *_, **__: pytest.fail("no sockets"))
    with pytest.raises(pytest.fail.Exception, match="no sockets"):
        node.run(load_rig("simulated"), runtime, threading.Event())
    assert bus.sent == [*OFF_IDS, 0x204]
    assert bus._is_shutdown
