"""The hand-pose frame: a golden vector, a round trip of anything, every rejection."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocol import FRAME_BYTES, LEFT, POSE_SHAPE, RIGHT, Flag, PoseFrame, encode_pose_frame, parse_pose_frame
from skin_teleop.errors import WireError

GOLDEN_HEADER = bytes.fromhex("a1010e0078563412000000004a3dd2400000603e77563412")
"""0xA1, type 1, flags right valid + visible + clutch left, seq 0x12345678, 18677.15625 ms, 0.21875 ms, ack seq - 1."""
GOLDEN_WRIST = bytes.fromhex("0000803e0000a03f000000bf0000000000000000f304353ff304353f")
"""0.25, 1.25, -0.5 m and a quarter turn about Z: 0, 0, sqrt(1/2), sqrt(1/2)."""
IDENTITY = struct.pack("<7f", 0, 0, 0, 0, 0, 0, 1)
GOLDEN = GOLDEN_HEADER + bytes(25 * 28) + GOLDEN_WRIST + 24 * IDENTITY


def frame(flags: int = Flag.RIGHT_VALID | Flag.VISIBLE, seq: int = 1, t_ms: float = 5.0) -> PoseFrame:
    pose = np.zeros(POSE_SHAPE, np.float32)
    pose[..., 6] = 1
    return PoseFrame(seq, Flag(flags), t_ms, 0.0, 0, pose)


def changed(offset: int, layout: str, value: float | int) -> bytes:
    data = bytearray(encode_pose_frame(frame()))
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


def right(joint: int, component: int) -> int:
    """Byte offset of one number of the right hand."""
    return 24 + 4 * (RIGHT * 175 + joint * 7 + component)


def test_the_golden_frame_reads_as_written():
    read = parse_pose_frame(GOLDEN)
    assert len(GOLDEN) == FRAME_BYTES == 1424
    assert read.flags == Flag.RIGHT_VALID | Flag.VISIBLE | Flag.CLUTCH_LEFT
    assert (read.seq, read.ack_seq) == (0x12345678, 0x12345677)
    assert (read.t_capture_ms, read.display_delta_ms) == (18677.15625, 0.21875)
    assert read.t_capture_ns == 18_677_156_250
    assert (read.valid(LEFT), read.valid(RIGHT)) == (False, True)
    np.testing.assert_array_equal(read.pose[RIGHT, 0], np.float32([0.25, 1.25, -0.5, 0, 0, 0.5**0.5, 0.5**0.5]))
    assert encode_pose_frame(read) == GOLDEN


@given(
    seq=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 63).map(Flag),
    t_ms=st.floats(0, 9e12),
    delta=st.floats(-10_000, 10_000, width=32),
    ack=st.integers(0, 2**32 - 1),
    positions=st.lists(st.floats(-100, 100, width=32), min_size=6, max_size=6),
    length=st.floats(0.992, 1.008),
    axis=st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda a: np.linalg.norm(a) > 0.1),
)
def test_every_good_frame_comes_back_bit_for_bit(seq, flags, t_ms, delta, ack, positions, length, axis):
    pose = np.zeros(POSE_SHAPE, np.float32)
    pose[..., 3:] = np.array(axis) / np.linalg.norm(axis) * length
    pose[0, 3, :3], pose[1, 24, :3] = positions[:3], positions[3:]
    sent = PoseFrame(seq, flags, t_ms, delta, ack, pose)
    read = parse_pose_frame(encode_pose_frame(sent))
    assert read.pose.tobytes() == pose.tobytes()
    assert (read.seq, read.flags, read.t_capture_ms, read.ack_seq) == (seq, flags, t_ms, ack)
    assert np.float32(read.display_delta_ms) == np.float32(delta)


@given(st.binary(max_size=1500))
def test_bytes_from_anywhere_are_refused_or_read_but_never_break(data):
    try:
        parse_pose_frame(data)
    except WireError as error:
        assert error.asked


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (GOLDEN[:-1], "wrong length of a pose frame; found: 1423 bytes; allowed: 1424 bytes"),
        (GOLDEN + b"\0", "found: 1425 bytes"),
        (changed(0, "<B", 0xA2), "wrong magic or version; found: 0xa2; allowed: 0xa1"),
        (changed(1, "<B", 2), "unknown frame type; found: 2"),
        (changed(2, "<H", 0x40), "unknown flag bits; found: 0x0040; allowed: 0x003f"),
        (changed(8, "<d", float("nan")), "the capture time is not usable; found: nan ms"),
        (changed(8, "<d", -1.0), "the capture time is not usable"),
        (changed(8, "<d", 1e13), "the capture time is not usable"),
        (changed(16, "<f", float("inf")), "the display time is not usable"),
        (changed(right(7, 1), "<f", float("nan")), "a number of a valid hand is not finite"),
        (changed(right(24, 6), "<f", float("inf")), "a number of a valid hand is not finite"),
        (changed(right(0, 2), "<f", -100.5), "a joint is too far away; found: 100.5 m; allowed: 100.0 m"),
        (changed(right(3, 6), "<f", 1.02), "a quaternion is not of unit length; found: 1.02; allowed: 1 within 1 %"),
        (changed(right(3, 6), "<f", 0.98), "a quaternion is not of unit length"),
        (changed(right(3, 6), "<f", 3e38), "a quaternion is not of unit length"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(data, text):
    with pytest.raises(WireError, match=text):
        parse_pose_frame(data)


def test_the_numbers_of_an_invalid_hand_mean_nothing():
    sent = frame(flags=Flag.VISIBLE)
    sent.pose[:] = np.nan
    assert not parse_pose_frame(encode_pose_frame(sent)).valid(RIGHT)


def test_a_quaternion_within_one_percent_is_kept_as_sent():
    sent = frame()
    sent.pose[RIGHT, 5, 6] = np.float32(1.0099)
    assert parse_pose_frame(encode_pose_frame(sent)).pose[RIGHT, 5, 6] == np.float32(1.0099)
