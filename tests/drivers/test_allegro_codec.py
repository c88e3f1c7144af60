"""The V4 codec: literal bytes of a real hand, round trips in both directions, refusals."""

from __future__ import annotations

import re
from pathlib import Path

import can
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.allegro import codec
from drivers.allegro.codec import (
    FingerPose,
    FingerTemperature,
    FingerTorque,
    HandInfo,
    HandStatus,
    InfoRequest,
    MotorError,
    MotorFault,
    PoseRequest,
    SerialNumber,
    SerialRequest,
    Servo,
    SetPeriod,
    TemperatureRequest,
    TipPressure,
)
from drivers.allegro.safe_stop import POWER_OFF, STOP_FRAMES
from drivers.allegro.scales import hand_scale
from skin_teleop.errors import WireError

REAL_INFO = HandInfo(0x0402, 0x0406, False, 60, HandStatus.SERVO_ON | HandStatus.JOINT_TEMPERATURE_THROTTLE)

# Frames of a real V4 hand (firmware 0x0406), from the candump in the comments of facebookresearch/digit-plexus
# `allegro_driver.py`. Servo, period and serial frames after Wonikrobotics-git/allegro_hand_ros_v4.
DIGIT_PLEXUS = [
    ("080#CAFDBDFE90FFCEFF", FingerPose(0, (-566, -323, -112, -50))),
    ("08C#340AEFFFAF00FCFF", FingerPose(3, (2612, -17, 175, -4))),
    ("200#02040604003C05", REAL_INFO),
    ("0E0#2B2A2925", FingerTemperature(0, (43, 42, 41, 37))),
    ("084#F9FFCFFE9AFFBEFF", FingerPose(1, (-7, -305, -102, -66))),
    ("088#1800D3FEA7FFD6FF", FingerPose(2, (24, -301, -89, -42))),
    ("0E4#292B2927", FingerTemperature(1, (41, 43, 41, 39))),
    ("0E8#27272724", FingerTemperature(2, (39, 39, 39, 36))),
    ("0EC#302624F6", FingerTemperature(3, (48, 38, 36, 246))),
    ("184#0100B9004A003300", FingerTorque(1, (1, 185, 74, 51))),
    ("188#F1FFC90038001F00", FingerTorque(2, (-15, 201, 56, 31))),
    ("180#0200CB0042002500", FingerTorque(0, (2, 203, 66, 37))),
    ("18C#580205008DFFFAFF", FingerTorque(3, (600, 5, -115, -6))),
    ("080#R", PoseRequest(0)),
    ("08C#R", PoseRequest(3)),
    ("200#R", InfoRequest()),
    ("220#R", SerialRequest()),
    ("0EC#R", TemperatureRequest(3)),
    ("100#", Servo(True)),
    ("104#", Servo(False)),
    ("204#030000000000", SetPeriod(3)),
    ("220#5634544553543031", SerialNumber("V4TEST01")),
]
# Frames that the tests of ian-chuang/allegro_hand_v5_plus_python (`test_protocol.py`, `fake_hand.py`) say a V5 sends
# and takes, written out as bytes. Its author confirmed the pressure's ids on a real V5 Plus, serial number 5TBR0017.
INDEPENDENT_V5 = [
    ("188#0100FEFF0300FCFF", FingerTorque(2, (1, -2, 3, -4))),
    ("180#F00010FFF00010FF", FingerTorque(0, (240, -240, 240, -240))),
    ("204#030000000A00", SetPeriod(3, 0, 10)),
    ("080#000064009CFFE803", FingerPose(0, (0, 100, -100, 1000))),
    ("3C0#78000000A00F0000", TipPressure(0, (120, 4000))),
    ("3C8#1E00000028000000", TipPressure(1, (30, 40))),
    ("0E0#1E1F2021", FingerTemperature(0, (30, 31, 32, 33))),
    ("200#00050101000001", HandInfo(0x0500, 0x0101, False, 0, HandStatus.SERVO_ON)),
    ("220#3554425230303137", SerialNumber("5TBR0017")),
    ("220#3554425230300000", SerialNumber("5TBR00")),
    ("3B8#0524", MotorError(5, MotorFault.OVERLOAD | MotorFault.OVERHEAT)),
    ("100#", Servo(True)),
    ("104#", Servo(False)),
]
GOLDEN = DIGIT_PLEXUS + INDEPENDENT_V5
GOLDEN_IDS = [
    f"{source} {line}" for source, group in (("V4", DIGIT_PLEXUS), ("V5", INDEPENDENT_V5)) for line, _ in group
]


def parse_candump(text: str) -> tuple[int, bytes, bool]:
    identifier, _, payload = text.partition("#")
    return int(identifier, 16), b"" if payload == "R" else bytes.fromhex(payload), payload == "R"


@pytest.mark.parametrize(("line", "event"), GOLDEN, ids=GOLDEN_IDS)
def test_golden_frames_decode_and_encode(line, event):
    identifier, data, is_remote = parse_candump(line)
    assert codec.decode(identifier, data, is_remote) == event
    assert codec.encode(event) == codec.Frame(identifier, data, is_remote)


def test_the_longer_period_frame_of_other_hosts_is_understood():
    """digit-plexus sends eight bytes; the fourth is the period of a status frame."""
    assert codec.decode(0x204, bytes.fromhex("0300 0000 6400 0A00"), False) == SetPeriod(3, 0, 100)


def test_the_real_log_decodes_whole(reference_data: Path):
    log = reference_data / "hardware" / "allegro_candump" / "allegro_v4_meta_digit_plexus.log"
    events = [codec.decode(m.arbitration_id, bytes(m.data), m.is_remote_frame) for m in can.CanutilsLogReader(log) if m]
    assert len(events) == 22
    assert None not in events
    assert sum(isinstance(event, FingerPose) for event in events) == 4
    assert [e for e in events if isinstance(e, HandInfo)] == [REAL_INFO]
    assert [e.celsius for e in events if isinstance(e, FingerTemperature)] == [
        (43, 42, 41, 37),
        (41, 43, 41, 39),
        (39, 39, 39, 36),
        (48, 38, 36, 246),
    ]


int16s = st.tuples(*[st.integers(-32768, 32767)] * 4)
uint8s = st.tuples(*[st.integers(0, 255)] * 4)
uint16 = st.integers(0, 65535)
fingers = st.integers(0, 3)
events = st.one_of(
    st.builds(Servo, st.booleans()),
    st.builds(SetPeriod, uint16, uint16, uint16),
    st.builds(FingerTorque, fingers, int16s),
    st.builds(FingerPose, fingers, int16s),
    st.builds(FingerTemperature, fingers, uint8s),
    st.builds(PoseRequest, fingers),
    st.builds(TemperatureRequest, fingers),
    st.builds(InfoRequest),
    st.builds(SerialRequest),
    st.builds(HandInfo, uint16, uint16, st.booleans(), st.integers(-128, 127), st.integers(0, 255).map(HandStatus)),
    st.builds(TipPressure, st.integers(0, 1), st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 2)),
    st.builds(MotorError, st.integers(0, 255), st.integers(0, 255).map(MotorFault)),
    st.builds(SerialNumber, st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)),
)


@given(events, st.integers(0, 3))
def test_every_event_survives_the_wire(event, device_id):
    frame = codec.encode(event, device_id)
    assert frame.id < 0x800
    assert len(frame.data) <= 8
    assert codec.decode(frame.id, frame.data, frame.is_remote, device_id) == event
    assert codec.decode(frame.id, frame.data, frame.is_remote, (device_id + 1) % 4) is None


@given(st.integers(0, 0x7FF), st.binary(max_size=8), st.booleans())
def test_any_frame_is_an_event_nothing_or_a_wire_error(identifier, data, is_remote):
    try:
        event = codec.decode(identifier, data, is_remote, identifier & 3)
    except WireError:
        return
    if event is not None and not is_remote and identifier >> 2 not in codec.COMMAND_PRESSURE_OLD:
        assert codec.encode(event, identifier & 3).id == identifier


@pytest.mark.parametrize(
    ("identifier", "data", "message"),
    [
        (0x080, b"\0" * 7, "a pose frame was expected; found: 7 bytes; allowed: 8 bytes"),
        (0x180, b"", "a torque frame was expected; found: 0 bytes"),
        (0x0E0, b"\0" * 8, "a temperature frame was expected; found: 8 bytes; allowed: 4 bytes"),
        (0x200, b"\0" * 8, "a hand info frame was expected; found: 8 bytes; allowed: 7 bytes"),
        (0x220, b"\xff" * 8, "a serial frame was expected"),
        (0x204, b"\0" * 7, "a set-period frame was expected; found: 7 bytes; allowed: 6 or 8 bytes"),
        (0x100, b"\0", "a servo frame was expected; found: 1 bytes; allowed: 0 bytes"),
    ],
)
def test_malformed_lengths_are_refused(identifier, data, message):
    with pytest.raises(WireError, match=re.escape(message)):
        codec.decode(identifier, data, False)


@pytest.mark.parametrize(
    "event",
    [FingerTorque(0, (40000, 0, 0, 0)), SetPeriod(70000), SerialNumber("much too long"), SerialNumber("é")],
)
def test_values_that_do_not_fit_are_refused(event):
    with pytest.raises(WireError, match="cannot be sent"):
        codec.encode(event)


@pytest.mark.parametrize("identifier", [0x0C0, 0x044, 0x7FC, 0x1A0])
def test_unknown_commands_and_meaningless_requests_are_nothing(identifier):
    assert codec.decode(identifier, b"\0" * 6, False) is None
    assert codec.decode(0x100, b"", True) is None


def test_status_bits_have_the_plexus_names():
    assert REAL_INFO.status.name == "SERVO_ON|JOINT_TEMPERATURE_THROTTLE"
    assert [bit.value for bit in HandStatus] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("identifier", [0x3C8, 0x148])
def test_v5_pressure_is_two_little_endian_pascals_on_both_ids(identifier):
    """V5 manual 1.3 (0x148) and allegro_hand_ros_v5 (0x3C8): ring and thumb, int32."""
    assert codec.decode(identifier, bytes.fromhex("D2040000FFFFFFFF"), False) == TipPressure(1, (1234, -1))


def test_other_hosts_stop_the_hand_with_the_same_bytes_in_the_same_order():
    """`shutdown` of digit-plexus (its period frame has eight bytes) and `emergency_off_frames` of the V5 program."""
    digit_plexus = [
        "180#" + "00" * 8,
        "184#" + "00" * 8,
        "188#" + "00" * 8,
        "18C#" + "00" * 8,
        "104#",
        "204#" + "00" * 8,
    ]
    heard = [codec.decode(*parse_candump(line)) for line in digit_plexus]
    assert heard == list(STOP_FRAMES)
    v5_program = [(0x60 + f, bytes(8)) for f in range(4)] + [(0x41, b"")]
    assert [codec.decode(command << 2, data, False) for command, data in v5_program] == list(POWER_OFF)


def test_the_v5_scale_is_the_manuals():
    """1000 counts are 88 degrees (manual 11.3.6; asserted by the independent program too)."""
    assert np.rad2deg(hand_scale("allegro_v5_right_b").radians_from_counts(1000)) == pytest.approx(88.0)


def test_a_v5_motor_error_names_its_faults():
    error = codec.decode(0x3B8, bytes([7, 0x24]), False)
    assert error == MotorError(7, MotorFault.OVERHEAT | MotorFault.OVERLOAD)
