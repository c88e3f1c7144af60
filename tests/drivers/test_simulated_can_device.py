"""The simulated hand answers on CAN as a real V4 right hand does, byte by byte."""

from __future__ import annotations

import dataclasses
import struct
import time

import can
import numpy as np
import pytest

from drivers.allegro.codec import Frame
from drivers.simulated.can_device import CanDevice, SimulatedHand
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import DeviceError
from skin_teleop.rig import load_rig

STRAIGHT = np.zeros(16)
SERVO_ON, SERVO_OFF = Frame(0x100), Frame(0x104)
PERIOD_3_MS = Frame(0x204, bytes.fromhex("030000000000"))
STOP_STREAM = Frame(0x204, bytes.fromhex("000000000000"))


def answers(hand: SimulatedHand, frame: Frame, position_rad: np.ndarray = STRAIGHT) -> list[Frame]:
    return list(hand.receive(frame, position_rad))


def test_info_is_that_of_a_v4_right_hand() -> None:
    # Real answer (digit-plexus candump): 02 04 06 04 00 3C 05 = hw 0x0402, fw 0x0406, right, 60 degC, status.
    (info,) = answers(SimulatedHand(), Frame(0x200, is_remote=True))
    assert (info.id, info.data) == (0x200, bytes.fromhex("02040604002800"))


def test_status_says_whether_the_servo_is_on() -> None:
    hand = SimulatedHand()
    assert answers(hand, SERVO_ON) == []
    (info,) = answers(hand, Frame(0x200, is_remote=True))
    assert info.data[6] == 0x01


def test_serial_is_eight_ascii_bytes() -> None:
    (serial,) = answers(SimulatedHand(), Frame(0x220, is_remote=True))
    assert (serial.id, serial.data) == (0x220, b"SIM40R01")


def test_temperature_is_four_bytes_a_finger() -> None:
    (temperature,) = answers(SimulatedHand(), Frame(0x0E8, is_remote=True))
    assert (temperature.id, temperature.data) == (0x0E8, bytes([40, 40, 40, 40]))


def test_pose_is_in_counts_of_333_3_over_65536_degrees() -> None:
    # Real frame: 080#CAFDBDFE90FFCEFF = counts -566 -323 -112 -50 = -2.88 -1.64 -0.57 -0.25 deg.
    position = np.zeros(16)
    position[:4] = np.deg2rad(np.array([-566, -323, -112, -50]) * 333.3 / 65536)
    (pose,) = answers(SimulatedHand(), Frame(0x080, is_remote=True), position)
    assert (pose.id, pose.data) == (0x080, bytes.fromhex("CAFDBDFE90FFCEFF"))


def test_counts_are_rounded_to_the_nearest() -> None:
    position = np.full(16, np.deg2rad(100.6 * 333.3 / 65536))
    (pose,) = answers(SimulatedHand(), Frame(0x08C, is_remote=True), position)
    assert struct.unpack("<4h", pose.data) == (101, 101, 101, 101)


def test_torque_acts_only_while_the_servo_is_on_and_stays_until_the_next() -> None:
    hand = SimulatedHand()
    torque = Frame(0x184, struct.pack("<4h", 60, -120, 240, -12))
    answers(hand, torque)
    assert not hand.torque_nm.any()
    answers(hand, SERVO_ON)
    assert not hand.torque_nm.any(), "a torque from before servo-on must not come back"
    answers(hand, torque)
    np.testing.assert_allclose(hand.torque_nm[4:8], [0.05, -0.1, 0.2, -0.01])
    assert not hand.torque_nm[[0, 1, 2, 3, *range(8, 16)]].any()
    list(hand.stream(STRAIGHT, 10_000 * NS_PER_MS))
    np.testing.assert_allclose(hand.torque_nm[4:8], [0.05, -0.1, 0.2, -0.01])
    answers(hand, SERVO_OFF)
    assert not hand.torque_nm.any()


def test_torque_is_limited_as_the_motors_are() -> None:
    hand = SimulatedHand()
    answers(hand, SERVO_ON)
    answers(hand, Frame(0x180, struct.pack("<4h", 32767, -32768, 32767, -32768)))
    np.testing.assert_allclose(hand.torque_nm[:4], [0.3125, -0.5625, 0.375, -0.2375])


def test_poses_stream_at_the_period_until_it_is_zero() -> None:
    hand = SimulatedHand()
    assert list(hand.stream(STRAIGHT, 0)) == []
    answers(hand, PERIOD_3_MS)
    ids = [frame.id for ms in range(3, 33) for frame in hand.stream(STRAIGHT, ms * NS_PER_MS)]
    assert ids == [0x080, 0x084, 0x088, 0x08C] * 10
    answers(hand, STOP_STREAM)
    assert list(hand.stream(STRAIGHT, 99 * NS_PER_MS)) == []


def test_temperatures_stream_with_their_own_period() -> None:
    hand = SimulatedHand()
    answers(hand, Frame(0x204, struct.pack("<3H", 0, 0, 10)))
    ids = [frame.id for ms in range(10, 40) for frame in hand.stream(STRAIGHT, ms * NS_PER_MS)]
    assert ids == [0x0E0, 0x0E4, 0x0E8, 0x0EC] * 3


def test_another_device_is_left_alone() -> None:
    hand = SimulatedHand(device_id=2)
    assert answers(hand, Frame(0x200, is_remote=True)) == []
    (info,) = answers(hand, Frame(0x202, is_remote=True))
    assert info.id == 0x202
    answers(hand, SERVO_ON)
    assert not hand.servo_on


def test_malformed_frames_are_counted_and_dropped() -> None:
    hand = SimulatedHand()
    answers(hand, SERVO_ON)
    assert answers(hand, Frame(0x180, b"\x01\x02\x03")) == []
    assert answers(hand, Frame(0x204, b"")) == []
    assert answers(hand, Frame(0x7F0, b"hello")) == []
    assert hand.rejected == 2
    assert not hand.torque_nm.any()


def test_the_device_serves_on_a_local_can_channel(runtime, monkeypatch, wait_factor) -> None:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    config = load_rig("simulated").hand
    device = CanDevice(config)
    host = can.Bus(interface=config.can_interface, channel=config.can_channel)
    try:
        host.send(can.Message(arbitration_id=0x200, is_remote_frame=True, is_extended_id=False))
        host.send(can.Message(arbitration_id=0x204, data=PERIOD_3_MS.data, is_extended_id=False))
        seen: list[can.Message] = []
        deadline, turn = time.monotonic() + 5 * wait_factor, 0
        while len(seen) < 9 and time.monotonic() < deadline:
            turn += 1
            device.exchange(STRAIGHT, turn * 3 * NS_PER_MS)
            message = host.recv(timeout=0.02)
            while message is not None:
                seen.append(message)
                message = host.recv(timeout=0)
        assert seen[0].arbitration_id == 0x200
        assert bytes(seen[0].data) == bytes.fromhex("02040604002800")
        assert [message.arbitration_id for message in seen[1:9]] == [0x080, 0x084, 0x088, 0x08C] * 2
        assert device.send_errors == 0
    finally:
        host.shutdown()
        device.close()


def test_a_channel_that_cannot_be_opened_is_explained(monkeypatch) -> None:
    monkeypatch.delenv("SKIN_TELEOP_RUNTIME", raising=False)
    config = load_rig("simulated").hand
    with pytest.raises(DeviceError, match="skin_teleop_local hand"):
        CanDevice(config)
    with pytest.raises(DeviceError, match="cannot open CAN no_such_interface"):
        CanDevice(dataclasses.replace(config, can_interface="no_such_interface"))
