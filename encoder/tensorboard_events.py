"""Scalars as a TensorBoard event file, written without TensorBoard: `tensorboard --logdir runs` shows them.

The file is a sequence of records (TFRecord: length, checksum of the length, bytes, checksum of the bytes, little
endian); each holds one protocol buffer `tensorflow.Event` (tensorflow/core/util/event.proto, fields 1 wall_time double,
2 step int64, 3 file_version string, 5 summary; in it 1 value, with 1 tag string and 2 simple_value float).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path

import google_crc32c

_DOUBLE, _TEXT, _FLOAT = 1, 2, 5
"""Wire types of protocol buffers; 0 is a variable-length integer."""


class EventFile:
    """Appends one event a call; a run's file is begun anew when the run goes on, from the rows that are kept."""

    def __init__(self, folder: Path) -> None:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._path = folder / f"events.out.tfevents.{int(time.time())}.skin_teleop"
        self._path.write_bytes(record(_event(time.time(), 0, _bytes_field(3, b"brain.Event:2"))))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write some numbers of one step, by their names."""
        summary = b"".join(
            _bytes_field(1, _bytes_field(1, name.encode()) + _key(2, _FLOAT) + struct.pack("<f", value))
            for name, value in values.items()
        )
        with self._path.open("ab") as file:
            file.write(record(_event(time.time(), step, _bytes_field(5, summary))))


def record(content: bytes) -> bytes:
    """One TFRecord."""
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _event(wall_time_s: float, step: int, what: bytes) -> bytes:
    return _key(1, _DOUBLE) + struct.pack("<d", wall_time_s) + _key(2, 0) + _varint(step) + what


def _bytes_field(number: int, content: bytes) -> bytes:
    return _key(number, _TEXT) + _varint(len(content)) + content


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _checksum(content: bytes) -> bytes:
    """CRC-32C, turned by 15 bits and shifted by a constant, so that checksums of checksums stay apart (TFRecord)."""
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
