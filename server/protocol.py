"""The hand-pose frame of the operator's socket: 1424 bytes, little-endian, no socket and no clock here.

| offset | type | field |
|---|---|---|
| 0 | u8 | magic and protocol version, 0xA1 |
| 1 | u8 | frame type, 1 = hand pose |
| 2 | u16 | flags, see `Flag` |
| 4 | u32 | seq, increasing |
| 8 | f64 | t_capture, ms of the client's monotonic clock |
| 16 | f32 | predicted display time minus t_capture, ms |
| 20 | u32 | seq of the newest ack that the client has seen, 0 = none |
| 24 | f32[2][25][7] | left and right hand: position m, quaternion xyzw, WebXR joint order, XR local-floor |
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np

from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import WireError
from skin_teleop.messages import N_HAND_JOINTS, Array

MAGIC_AND_VERSION = 0xA1
TYPE_HAND_POSE = 1
HEADER = struct.Struct("<BBHIdfI")
POSE_SHAPE = (2, N_HAND_JOINTS, 7)
POSE_DTYPE = np.dtype("<f4")
FRAME_BYTES = HEADER.size + math.prod(POSE_SHAPE) * POSE_DTYPE.itemsize
LEFT, RIGHT = 0, 1
Handedness = Literal["left", "right"]

MAX_POSITION_M = 100.0
UNIT_TOLERANCE = 0.01
MAX_CAPTURE_MS = 9e12
"""In nanoseconds this still fits a signed 64-bit integer; as a Unix time it is the year 2255."""
MAX_DISPLAY_DELTA_MS = 10_000.0


class Flag(enum.IntFlag):
    """Bits of the frame's flags."""

    LEFT_VALID = 1
    RIGHT_VALID = 2
    VISIBLE = 4
    CLUTCH_LEFT = 8
    CLUTCH_RIGHT = 16
    EMERGENCY_STOP = 32


_VALID_FLAGS = (Flag.LEFT_VALID, Flag.RIGHT_VALID)
_KNOWN_FLAGS = sum(Flag)


@dataclass(frozen=True, slots=True, eq=False)
class PoseFrame:
    """One frame as it was sent."""

    seq: int
    flags: Flag
    t_capture_ms: float
    display_delta_ms: float
    ack_seq: int
    pose: Array
    """(2, 25, 7) float32, bit for bit as on the wire; the numbers of a hand that is not valid mean nothing."""

    @property
    def t_capture_ns(self) -> int:
        """The client's clock in whole nanoseconds."""
        return round(self.t_capture_ms * NS_PER_MS)

    def valid(self, hand: int) -> bool:
        """Whether a hand (`LEFT` or `RIGHT`) was tracked."""
        return bool(self.flags & _VALID_FLAGS[hand])


def encode_pose_frame(frame: PoseFrame) -> bytes:
    """The 1424 bytes of a frame."""
    header = HEADER.pack(
        MAGIC_AND_VERSION,
        TYPE_HAND_POSE,
        frame.flags,
        frame.seq,
        frame.t_capture_ms,
        frame.display_delta_ms,
        frame.ack_seq,
    )
    return header + np.ascontiguousarray(frame.pose, POSE_DTYPE).tobytes()


def sequence_number(data: bytes) -> int:
    """The seq of what is a hand pose of this version, whatever is wrong inside; else 0, which no frame has."""
    if len(data) != FRAME_BYTES or data[:2] != bytes((MAGIC_AND_VERSION, TYPE_HAND_POSE)):
        return 0
    return int(HEADER.unpack_from(data)[3])


def parse_pose_frame(data: bytes) -> PoseFrame:
    """Read one frame; raises WireError, whose `asked` names the kind of fault, for anything that is not one."""
    if len(data) != FRAME_BYTES:
        raise WireError("wrong length of a pose frame", found=f"{len(data)} bytes", allowed=f"{FRAME_BYTES} bytes")
    magic, kind, bits, seq, t_capture_ms, display_delta_ms, ack_seq = HEADER.unpack_from(data)
    _check_header(magic, kind, bits, t_capture_ms, display_delta_ms)
    pose = np.frombuffer(data, POSE_DTYPE, offset=HEADER.size).reshape(POSE_SHAPE)
    frame = PoseFrame(seq, Flag(bits), t_capture_ms, display_delta_ms, ack_seq, pose)
    for hand in (LEFT, RIGHT):
        if frame.valid(hand):
            check_hand(pose[hand])
    return frame


def check_hand(pose: Array) -> None:
    """Raise WireError unless (25, 7) float32 are finite, within 100 m and of unit quaternions."""
    if not np.isfinite(pose).all():
        raise WireError("a number of a valid hand is not finite")
    farthest = float(np.abs(pose[:, :3]).max())
    if farthest > MAX_POSITION_M:
        raise WireError("a joint is too far away", found=f"{farthest:.4g} m", allowed=f"{MAX_POSITION_M} m")
    with np.errstate(over="ignore"):
        length = np.sqrt(np.square(pose[:, 3:], dtype=float).sum(-1))
    worst = float(length[np.argmax(np.abs(length - 1))])
    if abs(worst - 1) > UNIT_TOLERANCE:
        raise WireError("a quaternion is not of unit length", found=f"{worst:.4g}", allowed="1 within 1 %")


def _check_header(magic: int, kind: int, bits: int, t_capture_ms: float, display_delta_ms: float) -> None:
    if magic != MAGIC_AND_VERSION:
        raise WireError("wrong magic or version", found=f"0x{magic:02x}", allowed=f"0x{MAGIC_AND_VERSION:02x}")
    if kind != TYPE_HAND_POSE:
        raise WireError("unknown frame type", found=str(kind), allowed=f"{TYPE_HAND_POSE} (hand pose)")
    if bits & ~_KNOWN_FLAGS:
        raise WireError("unknown flag bits", found=f"0x{bits:04x}", allowed=f"0x{_KNOWN_FLAGS:04x}")
    if not 0 <= t_capture_ms <= MAX_CAPTURE_MS:
        raise WireError("the capture time is not usable", found=f"{t_capture_ms} ms", allowed=f"0 to {MAX_CAPTURE_MS}")
    if not abs(display_delta_ms) <= MAX_DISPLAY_DELTA_MS:
        raise WireError("the display time is not usable", found=f"{display_delta_ms} ms")
