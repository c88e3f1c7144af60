"""The CAN link, the pose cycle and the stop frames, on python-can's in-process bus."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import can
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.allegro import link as link_module
from drivers.allegro import safe_stop as safe_stop_module
from drivers.allegro.codec import FingerPose, HandInfo, InfoRequest, Servo
from drivers.allegro.link import HandLink
from drivers.allegro.pose_cycle import PoseCycle
from drivers.allegro.safe_stop import require_all, safe_stop
from skin_teleop.clock import NS_PER_MS, mono_ns
from skin_teleop.errors import DeviceError
from skin_teleop.rig import HandConfig

CONFIG = HandConfig(can_interface="virtual", can_channel="test-link")
POSE = can.Message(arbitration_id=0x080, data=bytes.fromhex("CAFDBDFE90FFCEFF"), is_extended_id=False)


@pytest.fixture
def buses() -> Iterator[tuple[can.BusABC, can.BusABC]]:
    with can.Bus("test-link", interface="virtual") as host, can.Bus("test-link", interface="virtual") as hand:
        yield host, hand


class BrokenBus(can.BusABC):
    """A bus of which chosen sends fail as when nobody acknowledges, and every read as when it was unplugged."""

    def __init__(self, fails: set[int]) -> None:
        super().__init__("broken")
        self.fails, self.tried, self.sent = fails, 0, []

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        self.tried += 1
        if self.tried in self.fails:
            raise can.CanOperationError("No buffer space available", 105)
        self.sent.append(msg.arbitration_id)

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        raise can.CanOperationError("Network is down", 100)


def test_only_what_a_hand_says_becomes_an_event(buses):
    host, hand = buses
    link = HandLink(host, CONFIG)
    noise = [
        can.Message(arbitration_id=0x200, is_remote_frame=True, is_extended_id=False),
        can.Message(arbitration_id=0x180, data=b"\0" * 8, is_extended_id=False),
        can.Message(arbitration_id=0x081, data=b"\0" * 8, is_extended_id=False),
        can.Message(arbitration_id=0x080, data=b"\0" * 8, is_extended_id=True),
        can.Message(arbitration_id=0x080, data=b"\0" * 8, is_error_frame=True, is_extended_id=False),
        can.Message(arbitration_id=0x080, data=b"\0" * 3, is_extended_id=False),
        can.Message(arbitration_id=0x0C0, data=b"\0" * 6, is_extended_id=False),
    ]
    for message in [*noise, POSE]:
        hand.send(message)
    heard = [link.receive(0.5) for _ in range(len(noise) + 1)]
    assert [event for event, _ in heard] == [None] * len(noise) + [FingerPose(0, (-566, -323, -112, -50))]
    assert all(received_ns > 0 for _, received_ns in heard)
    assert link.malformed == 1
    assert link.receive(0) == (None, 0)


def test_a_looped_back_request_is_no_info(buses):
    """A known fault of a public V5 driver: it reads its own remote frame 0x200 as a reply."""
    host, hand = buses
    HandLink(hand, CONFIG).send(InfoRequest())
    assert HandLink(host, CONFIG).receive(0.5)[0] is None


def test_send_errors_are_counted_and_the_rest_is_still_sent():
    bus = BrokenBus({1, 2})
    link = HandLink(bus, CONFIG)
    link.send(Servo(False), InfoRequest(), Servo(True))
    assert link.send_errors == 2
    assert bus.sent == [0x100]
    bus.shutdown()


STOP_IDS = [0x180, 0x184, 0x188, 0x18C, 0x104, 0x204]


@pytest.mark.parametrize("fails", [set(), {1}, {1, 2, 3, 4}, {5, 7}])
def test_a_stop_frame_that_is_refused_is_offered_again_in_its_place(fails):
    bus = BrokenBus(fails)
    assert safe_stop(bus, 0) == 6
    assert bus.sent == STOP_IDS
    assert bus.tried == 6 + len(fails)
    bus.shutdown()


def test_a_bus_that_takes_nothing_is_told_and_every_stop_frame_is_tried(monkeypatch):
    monkeypatch.setattr(safe_stop_module, "TRY_FOR_S", 0.005)
    offered = []
    bus = BrokenBus(set(range(1, 1000)))
    monkeypatch.setattr(bus, "send", lambda msg: (offered.append(msg.arbitration_id), BrokenBus.send(bus, msg)))
    assert safe_stop(bus, 0) == 0
    assert list(dict.fromkeys(offered)) == STOP_IDS
    with pytest.raises(DeviceError, match=r"took 0 of 6 stop frames; next: cut the hand's power"):
        require_all(0, CONFIG)
    require_all(6, CONFIG)
    bus.shutdown()


def test_how_long_a_bus_refuses_everything_is_known_until_it_takes_one(monkeypatch):
    now_ms = iter([10, 60, 130, 200])
    monkeypatch.setattr(link_module, "mono_ns", lambda: next(now_ms) * NS_PER_MS)
    bus = BrokenBus({1, 2, 3, 5})
    link = HandLink(bus, CONFIG)
    refused = []
    for _ in range(5):
        link.send(Servo(False))
        refused.append(link.refused_ns // NS_PER_MS)
    assert refused == [0, 50, 120, 0, 0]
    bus.shutdown()


def test_the_stop_frames_carry_the_device_id(buses):
    host, hand = buses
    assert safe_stop(host, 2) == 6
    frames = [hand.recv(0.5) for _ in range(6)]
    assert [frame.arbitration_id for frame in frames] == [0x182, 0x186, 0x18A, 0x18E, 0x106, 0x206]
    assert [bytes(frame.data) for frame in frames] == [b"\0" * 8] * 4 + [b"", b"\0" * 6]


def test_an_interface_that_stays_away_is_a_device_error(monkeypatch):
    monkeypatch.setattr(link_module, "RECEIVE_ERROR_PAUSE_S", 0.0)
    bus = BrokenBus(set())
    link = HandLink(bus, CONFIG)
    for _ in range(99):
        assert link.receive(0) == (None, 0)
    with pytest.raises(DeviceError, match="'test-link' has gone away; found: Network is down"):
        link.receive(0)
    bus.shutdown()


class StampedBus(BrokenBus):
    """Hands out one pose frame with a chosen wall-clock stamp, s."""

    def __init__(self, stamps_s: list[float]) -> None:
        super().__init__(set())
        self.stamps_s = stamps_s

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        return can.Message(arbitration_id=0x080, data=b"\0" * 8, timestamp=self.stamps_s.pop(0)), False


@pytest.mark.parametrize(("age_ms", "counted_ms"), [(10, 10), (3_600_000, 0), (-3_600_000, 0)])
def test_kernel_stamps_count_unless_the_wall_clock_was_stepped(age_ms, counted_ms):
    bus = StampedBus([time.time() - age_ms / 1000])
    before_ns = mono_ns()
    _, received_ns = HandLink(bus, HandConfig()).receive(0)
    after_ns = mono_ns()
    assert (
        before_ns - counted_ms * NS_PER_MS - NS_PER_MS <= received_ns <= after_ns - counted_ms * NS_PER_MS + NS_PER_MS
    )
    bus.shutdown()


def test_a_cycle_is_complete_with_the_fourth_finger():
    cycle = PoseCycle()
    assert [cycle.add(FingerPose(f, (100 * f, 1, 2, 3))) for f in (2, 0, 3, 1)] == [0, 0, 0, 1]
    np.testing.assert_allclose(cycle.counts[[4, 8, 12]], [100, 200, 300])
    assert cycle.missing == 0


def test_a_missing_finger_is_counted_and_the_cycle_spans_two_periods():
    cycle = PoseCycle()
    fingers = [0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3]
    assert [cycle.add(FingerPose(f, (0, 0, 0, 0))) for f in fingers] == [0] * 6 + [2] + [0] * 3 + [1]
    assert cycle.missing == 1


@given(st.lists(st.integers(0, 3), max_size=60))
def test_every_frame_is_either_in_a_cycle_or_leaves_a_gap(fingers):
    cycle = PoseCycle()
    periods = [cycle.add(FingerPose(f, (0, 0, 0, 0))) for f in fingers]
    complete = sum(p > 0 for p in periods)
    broken = sum(p - 1 for p in periods if p)
    assert 4 * complete + 4 * broken <= len(fingers) + cycle.missing + 3


def test_info_of_a_real_hand_arrives_whole(buses):
    host, hand = buses
    hand.send(can.Message(arbitration_id=0x200, data=bytes.fromhex("02040604003C05"), is_extended_id=False))
    event, _ = HandLink(host, CONFIG).receive(0.5)
    assert event == HandInfo(0x0402, 0x0406, False, 60, 5)


def test_a_second_program_that_commands_the_hand_is_counted_and_told_once(buses, caplog):
    host, other = buses
    link = HandLink(host, CONFIG)
    HandLink(other, CONFIG).send(Servo(True), Servo(False))
    HandLink(other, dataclasses.replace(CONFIG, device_id=1)).send(Servo(True))
    with caplog.at_level("WARNING"):
        assert [link.receive(0.5)[0] for _ in range(3)] == [None] * 3
    assert link.foreign == 2, "a command to the other hand on this bus is none to this one"
    assert caplog.text.count("another program commands the hand on 'test-link'") == 1


def test_own_frames_that_come_back_are_no_second_program(buses):
    host, echo = buses
    link = HandLink(host, dataclasses.replace(CONFIG, can_interface="udp_multicast"))
    HandLink(echo, CONFIG).send(Servo(True))
    assert link.receive(0.5)[0] is None
    assert link.foreign == 0


class GarbledBus(BrokenBus):
    """Every read finds bytes that are no frame, as python-can reports them."""

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        raise can.CanOperationError("could not unpack received message") from ValueError("extra data")


def test_garbage_from_the_interface_is_counted_and_is_no_lost_interface():
    bus = GarbledBus(set())
    link = HandLink(bus, CONFIG)
    for _ in range(3 * link_module.MAX_RECEIVE_ERRORS):
        assert link.receive(0) == (None, 0)
    assert link.malformed == 3 * link_module.MAX_RECEIVE_ERRORS
    bus.shutdown()
