"""Frames of the Allegro V4 and V5 hands, both ways: bytes in, typed events out, and back. No socket, no clock.

Identifiers are 11 bit, `(command << 2) | device_id`, the same both ways; numbers are little-endian. A remote frame
(RTR) asks for the data frame of the same id. Sources: Wonikrobotics-git/allegro_hand_ros_v4 (`canAPI.cpp`,
`candef.h`, `pcan.cpp`), facebookresearch/digit-plexus `allegro_driver.py` (with a candump of a real V4 hand),
Wonikrobotics-git/allegro_hand_ros_v5 and the V5 manual 1.3. Both hands share one table; V5 adds pressure and errors.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass

from skin_teleop.errors import WireError

N_FINGERS = 4
FingerCounts = tuple[int, int, int, int]
"""Values of the joints j0..j3 of one finger, proximal to distal."""

COMMAND_SERVO_ON, COMMAND_SERVO_OFF = 0x40, 0x41
COMMAND_SET_PERIOD, COMMAND_INFO, COMMAND_SERIAL = 0x81, 0x80, 0x88
COMMAND_POSE, COMMAND_TEMPERATURE, COMMAND_TORQUE = 0x20, 0x38, 0x60
"""The last three are the command of finger 0; finger f adds f."""
COMMAND_PRESSURE, COMMAND_PRESSURE_OLD, COMMAND_ERROR = (0xF0, 0xF2), (0x50, 0x52), 0xEE
"""V5 only. Older firmware and the manual use the second pair of commands for pressure."""


class HandStatus(enum.IntFlag):
    """Status byte of hand info, named as in digit-plexus (after the V4 user manual 1.1).

    Wonik's own driver reads bit 2 as an internal communication fault; a real frame with status 0x05 fits this reading.
    """

    SERVO_ON = 1
    JOINT_TEMPERATURE_FAULT = 2
    JOINT_TEMPERATURE_THROTTLE = 4
    JOINT_COMMUNICATION_TIMEOUT = 8
    PALM_TEMPERATURE_FAULT = 16


class MotorFault(enum.IntFlag):
    """Error bits of one V5 motor (V5 manual 1.3); the hand's light turns from green to red."""

    VOLTAGE = 1
    OVERHEAT = 4
    ELECTRICAL_SHOCK = 16
    OVERLOAD = 32


@dataclass(frozen=True, slots=True)
class Frame:
    """One CAN frame with an 11-bit id."""

    id: int
    data: bytes = b""
    is_remote: bool = False


@dataclass(frozen=True, slots=True)
class Servo:
    """Host to hand: switch the motor power stages on or off."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetPeriod:
    """Host to hand: how often it streams each kind of frame, ms; 0 stops that stream."""

    position_ms: int
    imu_ms: int = 0
    temperature_ms: int = 0


@dataclass(frozen=True, slots=True)
class FingerTorque:
    """Host to hand: torque of one finger in the hand's own unit, V4 motor PWM, V5 motor current in mA."""

    finger: int
    wire: FingerCounts


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """Host to hand: send HandInfo."""


@dataclass(frozen=True, slots=True)
class SerialRequest:
    """Host to hand: send SerialNumber."""


@dataclass(frozen=True, slots=True)
class PoseRequest:
    """Host to hand: send FingerPose of one finger once."""

    finger: int


@dataclass(frozen=True, slots=True)
class TemperatureRequest:
    """Host to hand: send FingerTemperature of one finger once."""

    finger: int


@dataclass(frozen=True, slots=True)
class HandInfo:
    """Hand to host: what it is and how it does. Versions are major << 8 | minor."""

    hardware_version: int
    firmware_version: int
    is_left: bool
    palm_temperature_c: int
    status: HandStatus


@dataclass(frozen=True, slots=True)
class SerialNumber:
    """Hand to host: up to 8 ASCII characters."""

    text: str


@dataclass(frozen=True, slots=True)
class FingerPose:
    """Hand to host: joint angles of one finger, encoder counts (see `scales`)."""

    finger: int
    counts: FingerCounts


@dataclass(frozen=True, slots=True)
class FingerTemperature:
    """Hand to host: motor temperatures of one finger, unsigned degC (246 was seen on a real hand: sensor fault)."""

    finger: int
    celsius: FingerCounts


@dataclass(frozen=True, slots=True)
class TipPressure:
    """V5 to host: pressure at two fingertips, Pa; pair 0 is index and middle, pair 1 ring and thumb."""

    pair: int
    pascal: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MotorError:
    """V5 to host: a motor has stopped itself; `motor` is the number that the hand gives."""

    motor: int
    faults: MotorFault


HostEvent = Servo | SetPeriod | FingerTorque | InfoRequest | SerialRequest | PoseRequest | TemperatureRequest
"""What a host sends: the simulated hand acts on these."""
HandEvent = HandInfo | SerialNumber | FingerPose | FingerTemperature | TipPressure | MotorError
"""What a hand sends: the hand node acts on these and ignores every HostEvent (loop-backs, a second host)."""
HandEvents = (HandInfo, SerialNumber, FingerPose, FingerTemperature, TipPressure, MotorError)

_COUNTS = struct.Struct("<4h")
_CELSIUS = struct.Struct("<4B")
_PERIODS = struct.Struct("<3H")
_INFO = struct.Struct("<HHBbB")
_PASCAL = struct.Struct("<2i")
_ERROR = struct.Struct("<2B")
_SERIAL_BYTES = 8


def frame_id(command: int, device_id: int = 0) -> int:
    """CAN identifier of a command; device_id 0..3 tells up to four hands on one bus apart."""
    return command << 2 | device_id


def encode(event: HostEvent | HandEvent, device_id: int = 0) -> Frame:
    """The frame of an event, whoever sends it; raises WireError when a value does not fit its field.

    `SetPeriod` takes the 6-byte form of Wonik's own driver, which every V4 firmware has been run with. The 8-byte
    form of digit-plexus only adds a period for a status frame, whose content is not documented.
    """
    try:
        command, data, is_remote = _parts(event)
    except struct.error as error:
        raise WireError(f"{event} cannot be sent", found=str(error)) from error
    return Frame(frame_id(command, device_id), data, is_remote)


def _parts(event: HostEvent | HandEvent) -> tuple[int, bytes, bool]:
    match event:
        case FingerTorque(finger, wire):
            return COMMAND_TORQUE + finger, _COUNTS.pack(*wire), False
        case FingerPose(finger, counts):
            return COMMAND_POSE + finger, _COUNTS.pack(*counts), False
        case FingerTemperature(finger, celsius):
            return COMMAND_TEMPERATURE + finger, _CELSIUS.pack(*celsius), False
        case Servo(on):
            return COMMAND_SERVO_ON if on else COMMAND_SERVO_OFF, b"", False
        case SetPeriod(position_ms, imu_ms, temperature_ms):
            return COMMAND_SET_PERIOD, _PERIODS.pack(position_ms, imu_ms, temperature_ms), False
        case HandInfo(hardware, firmware, is_left, palm_c, status):
            return COMMAND_INFO, _INFO.pack(hardware, firmware, is_left, palm_c, status), False
        case SerialNumber(text):
            return COMMAND_SERIAL, _serial_bytes(text), False
        case TipPressure(pair, pascal):
            return COMMAND_PRESSURE[pair], _PASCAL.pack(*pascal), False
        case MotorError(motor, faults):
            return COMMAND_ERROR, _ERROR.pack(motor, faults), False
        case InfoRequest():
            return COMMAND_INFO, b"", True
        case SerialRequest():
            return COMMAND_SERIAL, b"", True
        case PoseRequest(finger):
            return COMMAND_POSE + finger, b"", True
        case TemperatureRequest(finger):
            return COMMAND_TEMPERATURE + finger, b"", True


def _serial_bytes(text: str) -> bytes:
    if not text.isascii() or len(text) > _SERIAL_BYTES:
        raise WireError(f"serial number {text!r} cannot be sent", allowed="up to 8 ASCII characters")
    return text.encode().ljust(_SERIAL_BYTES, b"\0")


def decode(identifier: int, data: bytes, is_remote: bool, device_id: int = 0) -> HostEvent | HandEvent | None:
    """The event in a frame; None for a frame of another device, an unknown command or a meaningless request.

    Raises WireError when a known frame has the wrong length.
    """
    if identifier & 3 != device_id:
        return None
    command = identifier >> 2
    if is_remote:
        return _REQUESTS.get(command)
    parse = _PARSERS.get(command)
    return parse(bytes(data)) if parse else None


def _exact(layout: struct.Struct, data: bytes, name: str) -> tuple[int, ...]:
    if len(data) != layout.size:
        raise WireError(f"a {name} frame was expected", found=f"{len(data)} bytes", allowed=f"{layout.size} bytes")
    return layout.unpack(data)


def _counts(data: bytes, name: str) -> FingerCounts:
    j0, j1, j2, j3 = _exact(_COUNTS, data, name)
    return j0, j1, j2, j3


def _parse_pose(finger: int) -> Callable[[bytes], FingerPose]:
    return lambda data: FingerPose(finger, _counts(data, "pose"))


def _parse_torque(finger: int) -> Callable[[bytes], FingerTorque]:
    return lambda data: FingerTorque(finger, _counts(data, "torque"))


def _parse_temperature(finger: int) -> Callable[[bytes], FingerTemperature]:
    def parse(data: bytes) -> FingerTemperature:
        j0, j1, j2, j3 = _exact(_CELSIUS, data, "temperature")
        return FingerTemperature(finger, (j0, j1, j2, j3))

    return parse


def _parse_servo(on: bool) -> Callable[[bytes], Servo]:
    def parse(data: bytes) -> Servo:
        if data:
            raise WireError("a servo frame was expected", found=f"{len(data)} bytes", allowed="0 bytes")
        return Servo(on)

    return parse


def _parse_period(data: bytes) -> SetPeriod:
    if len(data) not in (6, 8):
        raise WireError("a set-period frame was expected", found=f"{len(data)} bytes", allowed="6 or 8 bytes")
    return SetPeriod(*_PERIODS.unpack(data[:6]))


def _parse_info(data: bytes) -> HandInfo:
    hardware, firmware, side, palm_c, status = _exact(_INFO, data, "hand info")
    return HandInfo(hardware, firmware, side != 0, palm_c, HandStatus(status))


def _parse_pressure(pair: int) -> Callable[[bytes], TipPressure]:
    def parse(data: bytes) -> TipPressure:
        first, second = _exact(_PASCAL, data, "fingertip pressure")
        return TipPressure(pair, (first, second))

    return parse


def _parse_error(data: bytes) -> MotorError:
    motor, faults = _exact(_ERROR, data, "motor error")
    return MotorError(motor, MotorFault(faults))


def _parse_serial(data: bytes) -> SerialNumber:
    if len(data) != _SERIAL_BYTES or not data.isascii():
        raise WireError("a serial frame was expected", found=f"{data!r}", allowed="8 ASCII bytes")
    return SerialNumber(data.decode("ascii").rstrip("\0"))


_REQUESTS: dict[int, HostEvent] = {
    COMMAND_INFO: InfoRequest(),
    COMMAND_SERIAL: SerialRequest(),
    **{COMMAND_POSE + f: PoseRequest(f) for f in range(N_FINGERS)},
    **{COMMAND_TEMPERATURE + f: TemperatureRequest(f) for f in range(N_FINGERS)},
}
_PARSERS: dict[int, Callable[[bytes], HostEvent | HandEvent]] = {
    COMMAND_SERVO_ON: _parse_servo(True),
    COMMAND_SERVO_OFF: _parse_servo(False),
    COMMAND_SET_PERIOD: _parse_period,
    COMMAND_INFO: _parse_info,
    COMMAND_SERIAL: _parse_serial,
    COMMAND_ERROR: _parse_error,
    **{command: _parse_pressure(pair) for pair, command in enumerate(COMMAND_PRESSURE)},
    **{command: _parse_pressure(pair) for pair, command in enumerate(COMMAND_PRESSURE_OLD)},
    **{COMMAND_POSE + f: _parse_pose(f) for f in range(N_FINGERS)},
    **{COMMAND_TORQUE + f: _parse_torque(f) for f in range(N_FINGERS)},
    **{COMMAND_TEMPERATURE + f: _parse_temperature(f) for f in range(N_FINGERS)},
}
