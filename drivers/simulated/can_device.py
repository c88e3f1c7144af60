"""The hand's end of the CAN bus: an Allegro V4 or V5 hand as its host sees it.

It answers info, serial, pose and temperature requests, streams poses and temperatures at the period it was given, and
keeps the last torque for as long as the servo is on: a V5 latches its current, and nothing shows a watchdog in a V4.
A V5 streams only while its servo is on. Faults are set from outside: `temperature_c`, `pressure_pa`, `status`,
`hardware_version` and `serial` are plain attributes, and `faults.FaultyBus` spoils the wire.

What it does not model: arbitration and bus load, the IMU, heat, persistent configuration, and encoder noise beyond the
rounding to counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import can
import numpy as np

from drivers.allegro.codec import (
    FingerPose,
    FingerTemperature,
    FingerTorque,
    Frame,
    HandEvent,
    HandInfo,
    HandStatus,
    HostEvent,
    InfoRequest,
    PoseRequest,
    SerialNumber,
    SerialRequest,
    Servo,
    SetPeriod,
    TemperatureRequest,
    TipPressure,
    decode,
    encode,
)
from drivers.allegro.link import open_bus
from drivers.allegro.scales import hand_scale
from drivers.simulated.faults import FaultyBus
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import DeviceError, WireError
from skin_teleop.hand import is_v4
from skin_teleop.rig import HandConfig
from skin_teleop.transforms import Array

HARDWARE_VERSION, FIRMWARE_VERSION = 0x0402, 0x0406
"""As a real V4 right hand answers (candump in facebookresearch/digit-plexus)."""
V5_HARDWARE_VERSION, V5_FIRMWARE_VERSION = 0x0500, 0x0100
"""The project's own choice: no public trace of a V5 info frame is known."""
PRESSURE_PERIOD_NS = 10 * NS_PER_MS
SERIAL = "SIM40R01"
REST_TEMPERATURE_C = 40
MAX_FRAMES_A_TURN = 256
"""Frames read in one turn at most, so that a flood on the bus cannot stop the world."""
N_FINGERS = 4

log = logging.getLogger(__name__)


class SimulatedHand:
    """State of the hand's electronics: frames in, frames out, no bus and no clock of its own."""

    def __init__(self, device_id: int = 0, model: str = "allegro_v4_right") -> None:
        self._device_id = device_id
        self._is_v4, self._is_left = is_v4(model), "left" in model
        self.hardware_version = HARDWARE_VERSION if self._is_v4 else V5_HARDWARE_VERSION
        self.serial = SERIAL if self._is_v4 else f"5S{model[-1].upper()}{'L' if self._is_left else 'R'}0001"
        self.temperature_c: Array = np.full((N_FINGERS, 4), REST_TEMPERATURE_C, np.uint8)
        """(4, 4) joint temperatures by finger, degC."""
        self.status = HandStatus(0)
        """Fault bits of the status byte; servo-on is added."""
        self.pressure_pa = [0] * N_FINGERS
        """Fingertip pressure of a V5, Pa."""
        self._wire = np.zeros((N_FINGERS, 4), np.int16)
        self._scale = hand_scale(model, self.hardware_version)
        self.servo_on = False
        self.period = SetPeriod(0)
        self._pose_due_ns = self._temperature_due_ns = self._pressure_due_ns = 0
        self.rejected = 0
        """Malformed frames, dropped."""

    @property
    def torque_nm(self) -> Array:
        """(16,) motor torques, Nm; zero while the servo is off."""
        wire = self._wire.reshape(16) if self.servo_on else np.zeros(16, np.int16)
        return self._scale.torque_from_wire(np.clip(wire, -self._scale.wire_limit, self._scale.wire_limit))

    def receive(self, frame: Frame, position_rad: Array) -> Iterator[Frame]:
        """Act on a frame from the bus at joint positions (16,) rad; yields the answers."""
        try:
            event = decode(frame.id, frame.data, frame.is_remote, self._device_id)
        except WireError:
            self.rejected += 1
            return
        for answer in self._act(event, position_rad):
            yield encode(answer, self._device_id)

    def _act(self, event: HostEvent | HandEvent | None, position_rad: Array) -> Iterator[HandEvent]:
        match event:
            case Servo(on):
                self.servo_on = on
                self._wire[:] = 0
            case FingerTorque(finger, wire):
                self._wire[finger] = wire
            case SetPeriod():
                self.period = event
            case InfoRequest():
                yield self._info()
            case SerialRequest():
                yield SerialNumber(self.serial)
            case PoseRequest(finger):
                yield self._pose(finger, position_rad)
            case TemperatureRequest(finger):
                yield self._temperature(finger)

    def _info(self) -> HandInfo:
        """V5: bytes 4 and 5 are 0 and the status is always 1 (public driver of a V5)."""
        if not self._is_v4:
            return HandInfo(self.hardware_version, V5_FIRMWARE_VERSION, False, 0, HandStatus.SERVO_ON)
        status = self.status | (HandStatus.SERVO_ON if self.servo_on else HandStatus(0))
        return HandInfo(self.hardware_version, FIRMWARE_VERSION, self._is_left, REST_TEMPERATURE_C, status)

    def _pose(self, finger: int, position_rad: Array) -> FingerPose:
        j0, j1, j2, j3 = self._scale.counts_from_radians(position_rad).reshape(N_FINGERS, 4)[finger].tolist()
        return FingerPose(finger, (j0, j1, j2, j3))

    def _temperature(self, finger: int) -> FingerTemperature:
        j0, j1, j2, j3 = self.temperature_c[finger].tolist()
        return FingerTemperature(finger, (j0, j1, j2, j3))

    def stream(self, position_rad: Array, now_ns: int) -> Iterator[Frame]:
        """Frames that are due at the hand's time `now_ns` for joint positions (16,) rad."""
        if not (self._is_v4 or self.servo_on):
            return
        if self.period.position_ms and now_ns >= self._pose_due_ns:
            self._pose_due_ns = _next_due(self._pose_due_ns, self.period.position_ms, now_ns)
            yield from (encode(self._pose(finger, position_rad), self._device_id) for finger in range(N_FINGERS))
        if self.period.temperature_ms and now_ns >= self._temperature_due_ns:
            self._temperature_due_ns = _next_due(self._temperature_due_ns, self.period.temperature_ms, now_ns)
            yield from (encode(self._temperature(finger), self._device_id) for finger in range(N_FINGERS))
        if not self._is_v4 and self.period.position_ms and now_ns >= self._pressure_due_ns:
            self._pressure_due_ns = now_ns + PRESSURE_PERIOD_NS
            for pair in (0, 1):
                first, second = self.pressure_pa[2 * pair : 2 * pair + 2]
                yield encode(TipPressure(pair, (first, second)), self._device_id)


def _next_due(due_ns: int, period_ms: int, now_ns: int) -> int:
    """Next deadline on the period's grid; a stream that was stopped starts a new grid now."""
    period_ns = period_ms * NS_PER_MS
    return due_ns + period_ns if now_ns - due_ns < period_ns else now_ns + period_ns


class CanDevice:
    """The simulated hand on a python-can bus."""

    def __init__(self, config: HandConfig, through: Callable[[can.BusABC], FaultyBus] | None = None) -> None:
        """Open the hand's own end of the channel, through a faulty wire if wanted; raises DeviceError on failure."""
        try:
            bus = open_bus(config)
        except DeviceError as error:
            raise DeviceError(
                f"the simulated hand cannot open CAN {config.can_interface} {config.can_channel}",
                found=error.found,
                next_step="stop the other rig on this channel, or choose another hand.can_channel",
            ) from error
        self._bus = through(bus) if through else bus
        self.hand = SimulatedHand(config.device_id, config.model)
        self.send_errors = 0

    def exchange(self, position_rad: Array, now_ns: int) -> Array:
        """One turn: read what the host sent, answer, stream what is due; returns motor torques (16,) Nm."""
        for _ in range(MAX_FRAMES_A_TURN):
            try:
                message = self._bus.recv(timeout=0)
            except can.CanError:
                break
            if message is None:
                break
            if message.is_error_frame or message.is_extended_id:
                continue
            frame = Frame(message.arbitration_id, bytes(message.data), message.is_remote_frame)
            self._send(self.hand.receive(frame, position_rad))
        self._send(self.hand.stream(position_rad, now_ns))
        return self.hand.torque_nm

    def _send(self, frames: Iterator[Frame]) -> None:
        for frame in frames:
            message = can.Message(
                arbitration_id=frame.id, data=frame.data, is_remote_frame=frame.is_remote, is_extended_id=False
            )
            try:
                self._bus.send(message)
            except can.CanError:
                self.send_errors += 1

    def close(self) -> None:
        """Leave the bus."""
        self._bus.shutdown()
        log.info("simulated hand off the bus: %d bad frames, %d send errors", self.hand.rejected, self.send_errors)
