"""Buses are opened by name: what each interface is given, what is told when it fails, and a serial line of garbage."""

from __future__ import annotations

import os
import pty
import time
import tty
from collections.abc import Iterator

import can
import pytest
import serial

from drivers import can_open
from drivers.allegro.safe_stop import safe_stop
from drivers.can_open import SerialCanBus, open_can
from drivers.serial_adapters import Adapter
from skin_teleop.errors import DeviceError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # python-can's own slcan


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """The far end of a serial line (a descriptor) and the port of its near end."""
    far, near = pty.openpty()
    tty.setraw(near)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


@pytest.mark.parametrize(
    ("interface", "told"),
    [
        ("socketcan", "next: ip link set none0 up type can bitrate 500000 restart-ms 100; the skin's second cable"),
        ("slcan", "next: plug the adapter in; skin-teleop doctor lists the serial ports .*; the skin's second cable"),
        ("no-such", "next: install what python-can's interface 'no-such' needs"),
    ],
)
def test_a_bus_that_cannot_be_opened_says_what_to_do(interface, told):
    with pytest.raises(DeviceError, match=told):
        open_can(interface, "none0", 500_000, "the skin's second cable")


def test_no_frame_of_udp_multicast_leaves_this_machine(monkeypatch):
    asked = {}
    monkeypatch.setattr(can_open.can, "Bus", lambda **options: asked.update(options))
    open_can("udp_multicast", "239.74.163.2", 1_000_000)
    assert asked["hop_limit"] == 0
    open_can("virtual", "x", 1_000_000)
    assert asked["interface"] == "virtual"


def test_a_serial_adapter_by_its_usb_ids_is_opened_at_once(line, monkeypatch):
    far, port = line
    monkeypatch.setattr(can_open, "find_adapter", lambda channel: Adapter(port, 3_000_000, channel))
    began_s = time.monotonic()
    with open_can("slcan", "usb:0403:6015", 1_000_000) as bus:
        assert time.monotonic() - began_s < 1.5  # python-can's own default waits 2 s
        bus.send(can.Message(arbitration_id=0x104, is_extended_id=False))
        heard = b""
        while not heard.endswith(b"t1040\r"):
            heard += os.read(far, 64)
        assert [line for line in heard.split(b"\r") if line][:3] == [b"C", b"S8", b"O"]


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xfe\x80\r", b"tZZZ8\r", b"t1\r", b"t0809\r", b"t08023\xc3\r", b"r08\r", b"T\r", b"d080F00\r", b"\r\r\x07"],
)
def test_garbage_on_the_line_is_dropped_and_the_next_frame_is_read(line, garbage, wait_factor):
    far, port = line
    with SerialCanBus(port, sleep_after_open=0) as bus:
        os.write(far, garbage)
        until = time.monotonic() + 0.1 * wait_factor
        while time.monotonic() < until:
            message = bus.recv(0.02)
            assert message is None or message.is_fd or message.dlc == 9 or not message.data
        os.write(far, b"t0802ABCD\r")
        message = bus.recv(5 * wait_factor)
        assert message is not None
        assert (message.arbitration_id, bytes(message.data)) == (0x080, b"\xab\xcd")


def heard_on(far: int, last: bytes) -> list[bytes]:
    """Lines at the far end, up to one that ends so."""
    heard = b""
    while not heard.endswith(last):
        heard += os.read(far, 4096)
    return heard.split(b"\r")


def test_a_line_that_was_cut_short_is_ended_before_the_next(line, monkeypatch):
    far, port = line
    with SerialCanBus(port, sleep_after_open=0) as bus:
        os.read(far, 64)
        write = bus.serialPortOrig.write

        def half(text: bytes) -> None:
            write(text[: len(text) // 2])
            raise serial.SerialTimeoutException("Write timeout")

        message = can.Message(arbitration_id=0x180, data=bytes(8), is_extended_id=False)
        with monkeypatch.context() as patch:
            patch.setattr(bus.serialPortOrig, "write", half)
            for _ in range(2):
                with pytest.raises(can.CanOperationError):
                    bus.send(message)
        assert safe_stop(bus, 0) == 6
        whole = [f"t{0x180 + 4 * finger:03X}8{'00' * 8}".encode() for finger in range(4)]
        end = [b"t1040", b"t2046000000000000", b""]
        lines = heard_on(far, b"t2046000000000000\r")
        assert lines[-7:] == [*whole, *end]
        assert all(whole[0].startswith(cut) for cut in lines[:-7])


def test_a_line_that_takes_nothing_is_an_error_of_the_frame_and_no_stop_is_delayed_for_ever(line):
    """Nobody reads the far end: once its buffer is full, each frame gives up soon, as the stop frames must."""
    _, port = line
    bus = SerialCanBus(port, sleep_after_open=0)
    message = can.Message(arbitration_id=0x180, data=bytes(8), is_extended_id=False)
    refused = 0
    while refused < 5:
        try:
            bus.send(message)
        except can.CanOperationError:
            refused += 1
    assert safe_stop(bus, 0) == 0
    bus.shutdown()
    assert not bus.serialPortOrig.is_open
