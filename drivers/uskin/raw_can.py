"""CAN frames of uSkin micro-controllers, both ways: one frame is one taxel's newest value. No socket, no clock.

11-bit id: bits 10-8 the sensor line (SDA), 7-4 the taxel on that line, 3-0 the micro-controller's label. Data: status,
X, Y, Z as big-endian uint16, and one byte that is constant for a taxel. Sources: XELA's uSPa46 instruction manual of
August 2023 (16 frames, figure 5) and a Japanese set-up guide for uSPa44 (2 frames); the controllers stream by
themselves at 1 Mbit/s. Older boards (ids 0x710 and up, 2018-19) are not spoken.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from skin_teleop.errors import WireError

MAX_SDA, MAX_TAXEL, MAX_MCU = 7, 15, 15
_DATA = struct.Struct(">B3HB")


class RawTaxel(NamedTuple):
    """One taxel's value on the bus; a tuple, since a kit sends thousands a second."""

    sda: int
    taxel: int
    mcu: int
    xyz: tuple[int, int, int]
    """Raw counts."""
    status: int = 0x93
    """Seen 0x83, 0x84 and 0x93: like the status byte of a MLX90393 magnetometer; not interpreted."""
    constant: int = 0

    @property
    def id(self) -> int:
        """CAN identifier."""
        return raw_id(self.sda, self.taxel, self.mcu)


def raw_id(sda: int, taxel: int, mcu: int) -> int:
    """CAN identifier of a taxel on a sensor line of a micro-controller."""
    return sda << 8 | taxel << 4 | mcu


def decode_raw(identifier: int, data: bytes) -> RawTaxel:
    """The taxel in a frame; raises WireError when the frame has another length or an extended id."""
    if len(data) != _DATA.size or not 0 <= identifier <= 0x7FF:
        raise WireError(
            "a uSkin taxel frame was expected",
            found=f"id 0x{identifier:X}, {len(data)} bytes",
            allowed=f"an 11-bit id and {_DATA.size} bytes",
        )
    status, x, y, z, constant = _DATA.unpack(data)
    return RawTaxel(identifier >> 8, identifier >> 4 & 0xF, identifier & 0xF, (x, y, z), status, constant)


def encode_raw(taxel: RawTaxel) -> bytes:
    """The data bytes of a taxel; raises WireError when a value does not fit."""
    try:
        return _DATA.pack(taxel.status, *taxel.xyz, taxel.constant)
    except struct.error as error:
        raise WireError(f"{taxel} cannot be sent", found=str(error)) from error
