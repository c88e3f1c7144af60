"""What every Allegro hand on a bus must do, asked of each simulated twin and, with --hardware, of a real one.

Only zero torques are sent. A real hand is named as `--hardware allegro:can0` (socketcan) or
`--hardware allegro:INTERFACE:CHANNEL[:MODEL]`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import can
import pytest

from drivers.allegro.codec import (
    N_FINGERS,
    FingerPose,
    FingerTemperature,
    HandEvent,
    HandInfo,
    HandStatus,
    InfoRequest,
    PoseRequest,
    SerialNumber,
    SerialRequest,
    Servo,
    SetPeriod,
    TemperatureRequest,
)
from drivers.allegro.identity import identified_scale
from drivers.allegro.link import HandLink, open_bus
from drivers.allegro.safe_stop import NO_TORQUE, safe_stop
from drivers.simulated.light_hand import LightHand
from skin_teleop.hand import is_v4
from skin_teleop.rig import HandConfig

TWINS = {
    "v4 right, local": HandConfig(can_interface="skin_teleop_local", can_channel="hand"),
    "v4 left, id 2": HandConfig(
        model="allegro_v4_left", can_interface="skin_teleop_local", can_channel="hand", device_id=2
    ),
    "v5 right A, virtual": HandConfig(
        model="allegro_v5_right_a", can_interface="virtual", can_channel="conformance", period_ms=2
    ),
    "v5 left B, local": HandConfig(
        model="allegro_v5_left_b", can_interface="skin_teleop_local", can_channel="hand", device_id=1
    ),
    "v4 right, udp": HandConfig(can_interface="udp_multicast", can_channel="239.74.163.11"),
}


@dataclass
class Subject:
    """A hand on a bus and the host's end of it."""

    config: HandConfig
    bus: can.BusABC
    link: HandLink
    patience_s: float

    def until(self, enough: Callable[[list[HandEvent]], bool]) -> list[HandEvent]:
        """Receive until enough has come; fails when it does not come."""
        events: list[HandEvent] = []
        deadline = time.monotonic() + self.patience_s
        while not enough(events):
            assert time.monotonic() < deadline, f"waited in vain, got {len(events)} events: {events[-4:]}"
            event, _ = self.link.receive(0.02)
            if event is not None:
                events.append(event)
        return events

    def one(self, kind: type[HandEvent]) -> HandEvent:
        return self.until(lambda events: any(isinstance(event, kind) for event in events))[-1]

    def start(self) -> None:
        self.link.send(SetPeriod(self.config.period_ms), Servo(True))


def real_hand(option: str) -> HandConfig | None:
    parts = option.split(":") if option else []
    if not parts or parts[0] != "allegro":
        return None
    interface, channel, *model = parts[1:] if len(parts) > 2 else ("socketcan", parts[1])
    return HandConfig(model=(model or ["allegro_v4_right"])[0], can_interface=interface, can_channel=channel)


@pytest.fixture(params=[*TWINS, "hardware"])
def subject(request, runtime, monkeypatch, wait_factor) -> Iterator[Subject]:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    real = real_hand(request.config.getoption("--hardware"))
    if request.param == "hardware":
        if real is None:
            pytest.skip("needs a real hand: --hardware allegro:can0")
        yield from _subject(real, wait_factor)
        return
    try:
        twin = LightHand(TWINS[request.param])
    except OSError as error:
        pytest.skip(f"this machine has no such transport: {error}")
    with twin:
        yield from _subject(TWINS[request.param], wait_factor)


def _subject(config: HandConfig, wait_factor: float) -> Iterator[Subject]:
    bus = open_bus(config)
    try:
        yield Subject(config, bus, HandLink(bus, config), 3.0 * wait_factor)
    finally:
        assert safe_stop(bus, config.device_id) == 6
        bus.shutdown()


def test_it_says_who_it_is(subject):
    subject.link.send(InfoRequest())
    info = subject.one(HandInfo)
    subject.link.send(SerialRequest())
    serial = subject.one(SerialNumber)
    limit = identified_scale(subject.config, info, serial.text).wire_limit
    assert limit[1] == (675 if is_v4(subject.config.model) else 240)


def test_it_streams_all_fingers_evenly_once_it_is_on(subject):
    subject.start()
    poses = [e for e in subject.until(lambda events: len(events) >= 120) if isinstance(e, FingerPose)]
    counts = [sum(pose.finger == finger for pose in poses) for finger in range(N_FINGERS)]
    assert max(counts) - min(counts) <= 2


def test_it_answers_pose_and_temperature_requests(subject):
    for finger in range(N_FINGERS):
        subject.link.send(PoseRequest(finger), TemperatureRequest(finger))
        events = subject.until(lambda events: {type(e) for e in events} >= {FingerPose, FingerTemperature})
        assert {event.finger for event in events} == {finger}


def test_period_zero_ends_the_stream(subject):
    subject.start()
    subject.until(lambda events: len(events) >= 20)
    subject.link.send(*NO_TORQUE, Servo(False), SetPeriod(0))
    deadline = time.monotonic() + subject.patience_s
    while subject.link.receive(0.1)[1] or subject.link.receive(0.1)[1]:
        assert time.monotonic() < deadline, "the hand streams on"


def test_a_v4_tells_whether_its_servo_is_on(subject):
    if not is_v4(subject.config.model):
        pytest.skip("a V5's status byte is constant")
    for on in (True, False):
        subject.link.send(Servo(on), InfoRequest())
        assert bool(subject.one(HandInfo).status & HandStatus.SERVO_ON) is on


@pytest.mark.parametrize("identifier", [0x104, 0x180, 0x204, 0x1F0, 0x7FC])
def test_malformed_and_unknown_frames_change_nothing(subject, identifier):
    if identifier == 0x104:  # seven bytes on servo off: some firmware may obey it, so it is sent first
        subject.bus.send(
            can.Message(arbitration_id=identifier | subject.config.device_id, data=b"\1" * 7, is_extended_id=False)
        )
        subject.start()
    else:
        subject.start()
        subject.bus.send(
            can.Message(arbitration_id=identifier | subject.config.device_id, data=b"\1" * 3, is_extended_id=False)
        )
    subject.until(lambda events: sum(isinstance(e, FingerPose) for e in events) >= 24)


def test_the_commands_of_another_device_id_are_none_of_its_business(subject):
    subject.start()
    subject.until(lambda events: len(events) >= 8)
    other = HandLink(subject.bus, HandConfig(device_id=(subject.config.device_id + 1) % 4))
    other.send(Servo(False), SetPeriod(0))
    subject.until(lambda events: sum(isinstance(e, FingerPose) for e in events) >= 24)
