"""Frames of the rig's bus: which message it is, of which stream, and its row or rows.

The same frame travels between processes and to the recorder, so that no layer translates.
"""

from __future__ import annotations

import functools
import re

import msgspec

from skin_teleop.errors import WireError
from skin_teleop.messages import NOTICE_TYPES, SAMPLE_TYPES, Message, Sample

STREAM_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""A stream's name becomes a folder's name in the sealed session."""


@functools.cache
def frame_head(kind: str, stream: str) -> bytes:
    """How the bus frames of a message type and stream begin: type name, NUL, stream name, NUL."""
    return b"%s\0%s\0" % (kind.encode(), stream.encode())


def encode(message: Message, stream: str = "") -> bytes:
    """One bus frame: its head and the payload. A frame to the recorder may hold several rows, one after the other."""
    payload = message.pack() if isinstance(message, Sample) else msgspec.msgpack.encode(message)
    return frame_head(type(message).__name__, stream) + payload


def split_frame(frame: bytes) -> tuple[str, str, bytes]:
    """Type name, stream name and payload of a bus frame; raises WireError when it is not one."""
    kind, first, rest = frame.partition(b"\0")
    stream, second, payload = rest.partition(b"\0")
    if not first or not second:
        raise WireError("a bus frame was expected", found=f"{frame[:24]!r}", allowed="type NUL stream NUL payload")
    return kind.decode("ascii", "replace"), stream.decode("utf-8", "replace"), payload


def decode(frame: bytes) -> tuple[Message, str]:
    """The message in a bus frame and the stream it belongs to; raises WireError for anything else."""
    kind, stream, payload = split_frame(frame)
    if kind in SAMPLE_TYPES:
        return SAMPLE_TYPES[kind].unpack(payload), stream
    if kind in NOTICE_TYPES:
        try:
            return msgspec.msgpack.decode(payload, type=NOTICE_TYPES[kind]), stream
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise WireError(f"a {kind} was expected", found=str(error)) from error
    raise WireError("a known message was expected", found=kind, allowed=", ".join([*SAMPLE_TYPES, *NOTICE_TYPES]))


def decode_rows(frame: bytes) -> list[tuple[Message, str]]:
    """Every row of a frame to the recorder with its stream, in order, or its only notice; raises WireError else."""
    kind, stream, payload = split_frame(frame)
    if kind not in SAMPLE_TYPES:
        return [decode(frame)]
    sample, size = SAMPLE_TYPES[kind], SAMPLE_TYPES[kind].row_dtype().itemsize
    return [(sample.unpack(payload[at : at + size]), stream) for at in range(0, max(1, len(payload)), size)]
