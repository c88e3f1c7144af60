"""One CAN frame as a datagram: Linux's `struct can_frame` followed by the sender's CLOCK_REALTIME stamp in ns.

Layout and flag bits: Linux `include/uapi/linux/can.h` (CAN_EFF_FLAG, CAN_RTR_FLAG, CAN_ERR_FLAG).
"""

from __future__ import annotations

import struct

import can

from skin_teleop.errors import WireError

EXTENDED_FLAG, REMOTE_FLAG, ERROR_FLAG = 0x8000_0000, 0x4000_0000, 0x2000_0000
ID_MASK = 0x1FFF_FFFF
MAX_DATA_BYTES = 8

_LAYOUT = struct.Struct("<IB3x8sq")
WIRE_BYTES = _LAYOUT.size


def pack_message(message: can.Message, stamp_ns: int) -> bytes:
    """One datagram; raises can.CanOperationError for CAN FD or more than 8 bytes of data."""
    if message.is_fd or message.dlc > MAX_DATA_BYTES:
        raise can.CanOperationError(f"only classic CAN frames of up to 8 bytes can be sent, not {message}")
    flags = (
        (EXTENDED_FLAG if message.is_extended_id else 0)
        | (REMOTE_FLAG if message.is_remote_frame else 0)
        | (ERROR_FLAG if message.is_error_frame else 0)
    )
    return _LAYOUT.pack(message.arbitration_id & ID_MASK | flags, message.dlc, bytes(message.data), stamp_ns)


def unpack_message(datagram: bytes, channel: str) -> can.Message:
    """The frame in a datagram, its `timestamp` the sender's (s since the epoch); raises WireError for other bytes."""
    if len(datagram) != WIRE_BYTES:
        raise WireError("a local CAN frame was expected", found=f"{len(datagram)} bytes", allowed=f"{WIRE_BYTES} bytes")
    flagged_id, dlc, data, stamp_ns = _LAYOUT.unpack(datagram)
    if dlc > MAX_DATA_BYTES:
        raise WireError("a local CAN frame was expected", found=f"data length {dlc}", allowed="0 to 8")
    remote = bool(flagged_id & REMOTE_FLAG)
    return can.Message(
        timestamp=stamp_ns / 1e9,
        arbitration_id=flagged_id & ID_MASK,
        is_extended_id=bool(flagged_id & EXTENDED_FLAG),
        is_remote_frame=remote,
        is_error_frame=bool(flagged_id & ERROR_FLAG),
        channel=channel,
        dlc=dlc,
        data=None if remote else data[:dlc],
    )
