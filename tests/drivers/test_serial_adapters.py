"""Serial adapters are found by their USB ids: one, none, two of a kind, and words that mean none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from drivers import serial_adapters
from drivers.serial_adapters import Adapter, find_adapter
from skin_teleop.errors import DeviceError

VSCOM = SimpleNamespace(device="/dev/ttyUSB0", vid=0x0403, pid=0x6015, serial_number="DT01", description="USB-CAN")
SECOND_VSCOM = SimpleNamespace(
    device="/dev/ttyUSB1", vid=0x0403, pid=0x6015, serial_number="DT02", description="USB-CAN"
)
CANABLE = SimpleNamespace(device="/dev/ttyACM0", vid=0x16D0, pid=0x117E, serial_number=None, description="CANable")
MODEM = SimpleNamespace(device="/dev/ttyACM1", vid=0x1234, pid=0x00AB, serial_number="9", description="a modem")
ON_BOARD = SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None, description="n/a")


@pytest.fixture
def plugged_in(monkeypatch):
    def plug(*ports: SimpleNamespace) -> None:
        monkeypatch.setattr(serial_adapters.list_ports, "comports", lambda: list(ports))

    return plug


@pytest.mark.parametrize("channel", ["/dev/ttyUSB7", "/dev/serial/by-id/usb-FTDI-if00"])
def test_a_port_by_its_name_is_taken_as_it_is(channel, plugged_in):
    plugged_in()
    assert find_adapter(channel) == Adapter(channel, 1_000_000)


@pytest.mark.parametrize(
    ("channel", "ports", "port", "rate"),
    [
        ("usb", (ON_BOARD, MODEM, VSCOM), "/dev/ttyUSB0", 3_000_000),
        ("usb", (CANABLE, MODEM), "/dev/ttyACM0", 1_000_000),
        ("usb:0403:6015", (CANABLE, VSCOM), "/dev/ttyUSB0", 3_000_000),
        ("usb:16D0:117e", (CANABLE, VSCOM), "/dev/ttyACM0", 1_000_000),
        ("usb:0403:6015:DT02", (VSCOM, SECOND_VSCOM), "/dev/ttyUSB1", 3_000_000),
        ("usb:1234:00ab", (VSCOM, MODEM), "/dev/ttyACM1", 1_000_000),
    ],
)
def test_the_one_that_fits_is_found_with_the_speed_of_its_line(channel, ports, port, rate, plugged_in):
    plugged_in(*ports)
    found = find_adapter(channel)
    assert (found.port, found.tty_baudrate) == (port, rate)
    assert found.text.startswith("usb:")
    assert found.text.endswith(f"at {port})")


@pytest.mark.parametrize("channel", ["usb", "usb:0403:6015"])
def test_two_that_fit_are_told_apart_by_their_serial_numbers(channel, plugged_in):
    plugged_in(VSCOM, SECOND_VSCOM)
    with pytest.raises(DeviceError, match="exactly one that fits; next: name one of those found") as told:
        find_adapter(channel)
    assert told.value.found is not None
    assert told.value.found.split("; ") == [
        "usb:0403:6015:DT01 (VScom USB-CAN Plus (FTDI) at /dev/ttyUSB0)",
        "usb:0403:6015:DT02 (VScom USB-CAN Plus (FTDI) at /dev/ttyUSB1)",
    ]


@pytest.mark.parametrize(
    ("channel", "ports", "found"),
    [
        ("usb", (ON_BOARD, MODEM), "none plugged in"),
        ("usb:16d0:117e", (VSCOM,), "none plugged in"),
        ("usb:0403:6015:DT09", (VSCOM,), "usb:0403:6015:DT01 (VScom USB-CAN Plus (FTDI) at /dev/ttyUSB0)"),
    ],
)
def test_none_that_fits_is_told_with_what_is_there(channel, ports, found, plugged_in):
    plugged_in(*ports)
    with pytest.raises(DeviceError, match="next: plug it in; skin-teleop doctor lists the serial ports") as told:
        find_adapter(channel)
    assert told.value.found == found


@pytest.mark.parametrize("channel", ["usb:403:6015", "usb:0403", "usb:", "usb:0403:zzzz", "usb0"])
def test_words_that_mean_no_adapter_are_refused_with_those_that_do(channel):
    with pytest.raises(DeviceError, match="usb:VVVV:PPPP:SERIAL"):
        find_adapter(channel)
