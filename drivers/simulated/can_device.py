"""The hand's end of the CAN bus: an Allegro V4 right hand as its host sees it.

It answers info, serial, pose and temperature requests, streams poses and temperatures at the period it was given, and
keeps the last torque for as long as the servo is on, since nothing shows that the real hand has a watchdog.

What it does not model: arbitration and bus load, the IMU, heat (temperatures rest at 40 degC), faults in the status
byte, persistent configuration, and encoder noise beyond the rounding to counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

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
    decode,
    encode,
)
from drivers.allegro.scales import counts_from_radians, pwm_limit, torque_from_pwm
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import DeviceError, WireError
from skin_teleop.rig import HandConfig
from skin_teleop.transforms import Array

HARDWARE_VERSION, FIRMWARE_VERSION = 0x0402, 0x0406
"""As a real V4 right hand answers (candump in facebookresearch/digit-plexus)."""
SERIAL = "SIM40R01"
REST_TEMPERATURE_C = 40
MAX_FRAMES_A_TURN = 256
"""Frames read in one turn at most, so that a flood on the bus cannot stop the world."""
N_FINGERS = 4

log = logging.getLogger(__name__)


class SimulatedHand:
    """State of the hand's electronics: frames in, frames out, no bus and no clock of its own."""

    def __init__(self, device_id: int = 0) -> None:
        self._device_id = device_id
        self._pwm = np.zeros((N_FINGERS, 4), np.int16)
        self._limit_pwm = pwm_limit(HARDWARE_VERSION).reshape(N_FINGERS, 4)
        self.servo_on = False
        self.period = SetPeriod(0)
        self._pose_due_ns = self._temperature_due_ns = 0
        self.rejected = 0
        """Malformed frames, dropped."""

    @property
    def torque_nm(self) -> Array:
        """(16,) motor torques, Nm; zero while the servo is off."""
        pwm = np.clip(self._pwm, -self._limit_pwm, self._limit_pwm)
        torque: Array = torque_from_pwm(pwm if self.servo_on else np.zeros_like(pwm)).reshape(16)
        return torque

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
                self._pwm[:] = 0
            case FingerTorque(finger, pwm):
                self._pwm[finger] = pwm
            case SetPeriod():
                self.period = event
            case InfoRequest():
                status = HandStatus.SERVO_ON if self.servo_on else HandStatus(0)
                yield HandInfo(HARDWARE_VERSION, FIRMWARE_VERSION, False, REST_TEMPERATURE_C, status)
            case SerialRequest():
                yield SerialNumber(SERIAL)
            case PoseRequest(finger):
                yield _pose(finger, position_rad)
            case TemperatureRequest(finger):
                yield _temperature(finger)

    def stream(self, position_rad: Array, now_ns: int) -> Iterator[Frame]:
        """Frames that are due at the hand's time `now_ns` for joint positions (16,) rad."""
        if self.period.position_ms and now_ns >= self._pose_due_ns:
            self._pose_due_ns = _next_due(self._pose_due_ns, self.period.position_ms, now_ns)
            yield from (encode(_pose(finger, position_rad), self._device_id) for finger in range(N_FINGERS))
        if self.period.temperature_ms and now_ns >= self._temperature_due_ns:
            self._temperature_due_ns = _next_due(self._temperature_due_ns, self.period.temperature_ms, now_ns)
            yield from (encode(_temperature(finger), self._device_id) for finger in range(N_FINGERS))


def _next_due(due_ns: int, period_ms: int, now_ns: int) -> int:
    """Next deadline on the period's grid; a stream that was stopped starts a new grid now."""
    period_ns = period_ms * NS_PER_MS
    return due_ns + period_ns if now_ns - due_ns < period_ns else now_ns + period_ns


def _pose(finger: int, position_rad: Array) -> FingerPose:
    j0, j1, j2, j3 = counts_from_radians(position_rad).reshape(N_FINGERS, 4)[finger].tolist()
    return FingerPose(finger, (j0, j1, j2, j3))


def _temperature(finger: int) -> FingerTemperature:
    return FingerTemperature(finger, (REST_TEMPERATURE_C,) * 4)


class CanDevice:
    """The simulated hand on a python-can bus."""

    def __init__(self, config: HandConfig) -> None:
        """Open the hand's own end of the channel; raises DeviceError when that fails."""
        try:
            self._bus = can.Bus(interface=config.can_interface, channel=config.can_channel, bitrate=config.bitrate)
        except (can.CanError, OSError) as error:
            raise DeviceError(
                f"the simulated hand cannot open CAN {config.can_interface} {config.can_channel}",
                found=str(error),
                next_step="stop the other rig on this channel, or choose another hand.can_channel",
            ) from error
        self.hand = SimulatedHand(config.device_id)
        self.send_errors = 0

    def exchange(self, position_rad: Array, now_ns: int) -> Array:
        """One turn: read what the host sent, answer, stream what is due; returns motor torques (16,) Nm."""
        for _ in range(MAX_FRAMES_A_TURN):
            message = self._bus.recv(timeout=0)
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
