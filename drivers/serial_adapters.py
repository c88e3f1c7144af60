"""Serial CAN adapters (slcan) by their USB ids, so that a rig file need not name a port that changes with each plug.

A channel is a port (`/dev/ttyUSB0`), `usb` (the one known adapter that is plugged in), `usb:0403:6015` (vendor and
product id) or `usb:0403:6015:SERIAL` (where two of a kind are plugged in).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from serial.tools import list_ports

from skin_teleop.errors import DeviceError


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """A kind of adapter."""

    name: str
    tty_baudrate: int
    """Speed of its serial line; an adapter that is a USB device by itself ignores it."""
    slcand: str
    """The command that makes it a socketcan interface."""


ADAPTERS = {
    (0x0403, 0x6015): AdapterKind(
        "VScom USB-CAN Plus (FTDI)", 3_000_000, "slcand -o -s8 -t hw -S 3000000 {port} slcan0"
    ),
    (0x16D0, 0x117E): AdapterKind("CANable (slcan firmware)", 1_000_000, "slcand -o -s8 {port} slcan0"),
    (0xAD50, 0x60C4): AdapterKind("CANable (older slcan firmware)", 1_000_000, "slcand -o -s8 {port} slcan0"),
}
"""By USB vendor and product id. The FTDI id is XELA's own advice for VScom (manual of the uSkin sensor)."""
DEFAULT_TTY_BAUDRATE = 1_000_000
"""22 characters a frame at 333 Hz both ways are 0.6 Mbit/s."""
_USB = re.compile(r"usb(?::([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::(.+))?)?")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter that is plugged in, or a port that the rig file names."""

    port: str
    tty_baudrate: int = DEFAULT_TTY_BAUDRATE
    text: str = ""
    """As it is written in a rig file, with what it is."""


def find_adapter(channel: str) -> Adapter:
    """The adapter that a channel means; raises DeviceError when it is missing, ambiguous or wrongly written."""
    if not channel.startswith("usb"):
        return Adapter(channel)
    match = _USB.fullmatch(channel)
    if match is None:
        raise DeviceError(
            f"serial adapter {channel!r} was asked for",
            allowed="a port such as /dev/ttyUSB0, usb, usb:VVVV:PPPP or usb:VVVV:PPPP:SERIAL (hexadecimal ids)",
        )
    wanted = (int(match[1], 16), int(match[2], 16)) if match[1] else None
    plugged_in = _plugged_in(wanted)
    fitting = [adapter for serial, adapter in plugged_in if match[3] in (None, serial)]
    if len(fitting) != 1:
        raise DeviceError(
            f"serial adapter {channel!r} was asked for",
            found="; ".join(adapter.text for _, adapter in plugged_in) or "none plugged in",
            allowed="exactly one that fits",
            next_step="name one of those found, with its serial number"
            if fitting
            else "plug it in; skin-teleop doctor lists the serial ports",
        )
    return fitting[0]


def _plugged_in(wanted: tuple[int, int] | None) -> list[tuple[str, Adapter]]:
    """USB serial number and adapter of each port with the wanted ids; None wants every known kind."""
    found = []
    for port in list_ports.comports():
        ids = (port.vid or 0, port.pid or 0)
        if ids != wanted if wanted else ids not in ADAPTERS:
            continue
        kind = ADAPTERS.get(ids)
        name = f"usb:{ids[0]:04x}:{ids[1]:04x}" + (f":{port.serial_number}" if port.serial_number else "")
        text = f"{name} ({kind.name if kind else port.description or 'unknown kind'} at {port.device})"
        rate = kind.tty_baudrate if kind else DEFAULT_TTY_BAUDRATE
        found.append((port.serial_number or "", Adapter(port.device, rate, text)))
    return found
