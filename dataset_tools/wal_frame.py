"""One frame of the write-ahead log: its bytes, its checksum and the JSON that describes every stream.

A log file is a row of frames. Each frame is a 20-byte little-endian header and a payload:

    magic "SKW1" · stream number u16 · log version u16 · rows u32 · payload bytes u32 · CRC32C u32

The CRC32C covers the header before it and the payload. A frame of `SCHEMA_STREAM` carries JSON that names every stream
seen so far with its numpy dtype and units; all others carry packed rows of one stream. Every file begins with a schema
frame, so that each file can be read alone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

from skin_teleop.messages import Sample

MAGIC = b"SKW1"
LOG_VERSION = 1
HEADER = struct.Struct("<4sHHIII")
CHECKED_BYTES = HEADER.size - 4
"""The checksum covers the header up to itself."""
SCHEMA_STREAM = 0xFFFF
MAX_PAYLOAD_BYTES = 16 << 20
"""A longer length can only be damage: a writer's batch stays far below."""


@dataclass(frozen=True, eq=False)
class StreamSchema:
    """What a log says about one stream."""

    number: int
    name: str
    message: str
    """Name of the message type, such as `SkinFrame`."""
    dtype: np.dtype[np.void]
    """Packed row."""
    units: dict[str, dict[str, str]]
    """Field name to its unit and frame of reference."""
    attributes: dict[str, Any]
    """Source, nominal rate, clock and latency, as they will stand in the sealed stream."""

    @classmethod
    def of(cls, number: int, name: str, kind: type[Sample], attributes: dict[str, Any]) -> StreamSchema:
        """Schema of a stream of one message type."""
        return cls(number, name, kind.__name__, kind.row_dtype(), kind.column_units(), attributes)

    def to_json(self) -> dict[str, Any]:
        """The schema in plain JSON values."""
        columns = [(name, self.dtype[name]) for name in self.dtype.names or ()]
        return {
            "id": self.number,
            "name": self.name,
            "message": self.message,
            "dtype": [[name, column.base.str, list(column.shape)] for name, column in columns],
            "units": self.units,
            "attributes": self.attributes,
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> StreamSchema:
        """Read what `to_json` wrote."""
        dtype = np.dtype([(name, base, tuple(shape)) for name, base, shape in plain["dtype"]])
        return cls(plain["id"], plain["name"], plain["message"], dtype, plain["units"], plain["attributes"])


def checksum(head: bytes, payload: bytes) -> int:
    """CRC32C of a frame."""
    return int(google_crc32c.extend(google_crc32c.value(head), payload))


def frame_header(number: int, rows: int, payload: bytes) -> bytes:
    """The header that goes before a payload of `rows` packed rows."""
    head = HEADER.pack(MAGIC, number, LOG_VERSION, rows, len(payload), 0)[:CHECKED_BYTES]
    return head + checksum(head, payload).to_bytes(4, "little")


def schema_payload(streams: Iterable[StreamSchema]) -> bytes:
    """Payload of a schema frame that names all the given streams."""
    described = [stream.to_json() for stream in streams]
    return json.dumps({"log": "skin_teleop.wal", "version": LOG_VERSION, "streams": described}).encode()


def read_schema(payload: bytes) -> dict[int, StreamSchema]:
    """Streams by number from the payload of a schema frame."""
    streams = [StreamSchema.from_json(plain) for plain in json.loads(payload)["streams"]]
    return {stream.number: stream for stream in streams}
