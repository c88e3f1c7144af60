"""The devices' part of `doctor`: CAN interfaces, serial adapters, the hand and the skin that answer. It only looks.

The hand is asked for its version, serial number and temperatures; nothing that could move it is sent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serial.tools import list_ports
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from drivers.allegro.codec import FingerTemperature, HandEvent, HandInfo, InfoRequest, SerialNumber, SerialRequest
from drivers.allegro.health import HEALTH_REQUESTS
from drivers.allegro.identity import identified_scale
from drivers.allegro.link import HandLink, open_bus
from drivers.serial_adapters import ADAPTERS, find_adapter
from drivers.uskin.server_frame import MAX_FRAME_BYTES, parse_server_frame
from skin_teleop.errors import DeviceError
from skin_teleop.messages import N_TAXELS
from skin_teleop.rig import HandConfig, Rig

ANSWER_S = 1.0
DIALOUT = "sudo usermod -aG dialout $USER, then log in again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "note", "fault"]
    found: str
    fix: str = ""


def devices(rig: Rig) -> Iterator[Finding]:
    """Every device of a rig, from the cable inwards."""
    yield from can_interfaces(_ip_links(), rig)
    yield from serial_ports()
    for table, config in rig.hands.items():
        if not rig.simulates(table):
            yield hand(config, in_words(table))
    for table, skin in rig.skins.items():
        if not rig.simulates(table) and skin.source == "xela_server":
            yield skin_server(skin.url, in_words(table))


def in_words(table: str) -> str:
    """A device as a person calls it: `second_hand` is the second hand."""
    return table.replace("_", " ")


def _ip_links() -> list[dict[str, Any]]:
    """CAN interfaces as iproute2 describes them; none where it is not installed or the kernel has no CAN."""
    ip = shutil.which("ip")
    if ip is None:
        return []
    command = [ip, "-details", "-json", "link", "show", "type", "can"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    links = json.loads(answer.stdout) if answer.returncode == 0 and answer.stdout.strip() else []
    return [link for link in links if link]


def can_interfaces(links: list[dict[str, Any]], rig: Rig) -> Iterator[Finding]:
    """Every channel that the rig wants, against what the kernel has (objects of `ip -details -json link`)."""
    wanted = [(config.can_interface, config.can_channel, config.bitrate) for config in rig.hands.values()]
    for skin in rig.skins.values():
        if skin.source == "raw_can":
            wanted += [(skin.can_interface, channel, skin.can_bitrate) for channel in skin.can_channels]
    present = {link["ifname"]: link for link in links}
    for interface, channel, bitrate in dict.fromkeys(wanted):
        if interface == "slcan":
            yield _serial_adapter(channel)
        elif interface != "socketcan":
            yield Finding(f"CAN {channel}", "ok", f"{interface}: nothing to bring up")
        elif channel not in present:
            fix = f"plug the adapter in, then: {_bring_up(channel, bitrate)}"
            found = f"no interface {channel}; found {', '.join(present) or 'none'}"
            yield Finding(f"CAN {channel}", "fault", found, fix)
        else:
            yield _interface(present[channel], bitrate)


def _serial_adapter(channel: str) -> Finding:
    try:
        adapter = find_adapter(channel)
    except DeviceError as error:
        return Finding(f"CAN {channel}", "fault", error.found or str(error), error.next_step or error.allowed or "")
    if adapter.port.startswith("/") and not os.access(adapter.port, os.R_OK | os.W_OK):
        there = Path(adapter.port).exists()
        fix = DIALOUT if there else 'plug it in, and name one of the serial ports below; or: can_channel = "usb"'
        return Finding(f"CAN {channel}", "fault", "no permission" if there else f"no port {adapter.port}", fix)
    return Finding(f"CAN {channel}", "ok", f"slcan on {adapter.text or adapter.port}")


def _bring_up(channel: str, bitrate: int) -> str:
    return f"ip link set {channel} up type can bitrate {bitrate} restart-ms 100"


def _interface(link: dict[str, Any], bitrate: int) -> Finding:
    name, data = link["ifname"], link.get("linkinfo", {}).get("info_data", {})
    found_bitrate = data.get("bittiming", {}).get("bitrate", 0)
    state, restart_ms = data.get("state", "?"), data.get("restart_ms", 0)
    found = f"{found_bitrate} bit/s, {state}, restart-ms {restart_ms}"
    if "UP" not in link.get("flags", []):
        return Finding(f"CAN {name}", "fault", f"down ({found})", _bring_up(name, bitrate))
    again = f"ip link set {name} down; {_bring_up(name, bitrate)}"
    if found_bitrate and found_bitrate != bitrate:
        return Finding(f"CAN {name}", "fault", found, again)
    if state == "BUS-OFF":
        return Finding(f"CAN {name}", "fault", found, f"switch the device's supply on, then: {again}")
    if not restart_ms:
        return Finding(f"CAN {name}", "note", f"{found}: stays off after a bus-off", again)
    return Finding(f"CAN {name}", "ok", found)


def serial_ports() -> Iterator[Finding]:
    """Serial ports, with the command for adapters that are known by their USB id."""
    ports = list(list_ports.comports())
    if not ports:
        yield Finding("serial ports", "note", "none (needed for slcan adapters only)")
    for port in ports:
        yield serial_port(port.device, port.vid, port.pid, port.description or "")


def serial_port(device: str, vid: int | None, pid: int | None, description: str) -> Finding:
    """One serial port: what it is, and whether this user may open it."""
    if not os.access(device, os.R_OK | os.W_OK):
        return Finding(device, "note", f"{description}: no permission", DIALOUT)
    known = ADAPTERS.get((vid or 0, pid or 0))
    fix = f"{known.name}: {known.slcand.format(port=device)}" if known else ""
    return Finding(device, "ok", description, fix)


def hand(config: HandConfig, name: str = "hand") -> Finding:
    """Which hand answers on the bus, how warm it is, and whether it is the rig file's."""
    what = f"{name} on {config.can_channel}"
    try:
        bus = open_bus(config)
    except DeviceError as error:
        return Finding(what, "fault", error.found or str(error), error.next_step or "")
    try:
        events = _ask(HandLink(bus, config))
    finally:
        bus.shutdown()
    info = next((event for event in events if isinstance(event, HandInfo)), None)
    serial = next((event.text for event in events if isinstance(event, SerialNumber)), "")
    if info is None and not serial:
        return Finding(what, "fault", "no answer", "switch its supply on; check cable, termination and device_id")
    hottest = max((max(e.celsius) for e in events if isinstance(e, FingerTemperature)), default=None)
    version = f"hardware {info.hardware_version >> 8}.{info.hardware_version & 0xFF}" if info else "no info reply"
    found = f"{version}, serial number {serial or 'not told'}, hottest joint {hottest} degC"
    try:
        identified_scale(config, info, serial)
    except DeviceError as error:
        return Finding(what, "fault", f"{found}; {error.found}", error.next_step or "")
    return Finding(what, "ok", found)


def _ask(link: HandLink) -> list[HandEvent]:
    link.send(InfoRequest())
    time.sleep(0.001)
    link.send(SerialRequest(), *HEALTH_REQUESTS[1:])
    events, until = [], time.monotonic() + ANSWER_S
    while time.monotonic() < until:
        event, _ = link.receive(0.05)
        if event is not None:
            events.append(event)
    return events


def skin_server(url: str, name: str = "skin") -> Finding:
    """Which sensors the vendor's server streams."""
    what = f"{name} server"
    start = "start it: xela_server -f /etc/xela/xServ.ini; the skin's second USB cable carries its 5 V supply"
    try:
        with connect(url, open_timeout=ANSWER_S, max_size=MAX_FRAME_BYTES, compression=None, proxy=None) as server:
            frame = None
            while frame is None:  # the first frame is a welcome
                frame = parse_server_frame(server.recv(timeout=2 * ANSWER_S, decode=False))
    except (OSError, ValueError, WebSocketException) as error:  # ValueError: no frame of a skin, or no host's name
        return Finding(what, "fault", f"{url}: {str(error) or type(error).__name__}", start)
    models = ", ".join(f"{sensor.model or '?'} ({len(sensor.flux)} taxels)" for sensor in frame.sensors)
    found = f"{url}: version {frame.version}, {models}"
    if len(frame.flux) != N_TAXELS:
        return Finding(what, "fault", found, f"its xServ.ini should give {N_TAXELS} taxels in all")
    return Finding(what, "ok", found)
