"""A hand behind a serial adapter: python-can's own slcan on a pseudo-terminal reaches the simulated hand."""

from __future__ import annotations

import dataclasses
import os
import time

import can
import pytest

from drivers.allegro.codec import FingerPose, HandInfo, InfoRequest, Servo, SetPeriod
from drivers.allegro.link import HandLink, open_bus
from drivers.allegro.safe_stop import safe_stop
from drivers.simulated.light_hand import LightHand
from drivers.simulated.slcan_adapter import SlcanAdapter
from skin_teleop.rig import HandConfig

WIRE = HandConfig(can_interface="virtual", can_channel="behind-slcan", period_ms=20)
"""A slow pose period: python-can's slcan parser is not made for the hand's full rate."""


def heard(link: HandLink, kind: type, seconds: float, count: int = 1) -> list:
    events, until = [], time.monotonic() + seconds
    while len(events) < count:
        assert time.monotonic() < until, f"got {len(events)} of {count} {kind.__name__}"
        event, _ = link.receive(0.05)
        if isinstance(event, kind):
            events.append(event)
    return events


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_hand_behind_a_serial_adapter_answers_streams_and_is_stopped(wait_factor):
    with LightHand(WIRE) as twin, SlcanAdapter(open_bus(WIRE)) as adapter:
        config = dataclasses.replace(WIRE, can_interface="slcan", can_channel=adapter.port)
        bus = open_bus(config)
        link = HandLink(bus, config)
        link.send(InfoRequest())
        (info,) = heard(link, HandInfo, 5 * wait_factor)
        assert info.hardware_version == 0x0402
        link.send(SetPeriod(20), Servo(True))
        poses = heard(link, FingerPose, 5 * wait_factor, 12)
        assert {pose.finger for pose in poses} == {0, 1, 2, 3}
        assert twin.device.hand.servo_on
        assert safe_stop(bus, 0) == 6
        until = time.monotonic() + 5 * wait_factor
        while twin.device.hand.servo_on:
            assert time.monotonic() < until
            time.sleep(0.01)
        bus.shutdown()
        assert adapter.rejected == 0


def test_lines_that_are_no_frame_are_counted(wait_factor):
    garbage = {"interface": "virtual", "channel": "garbage"}
    with can.Bus(**garbage) as far, SlcanAdapter(can.Bus(**garbage)) as adapter:
        host = os.open(adapter.port, os.O_RDWR | os.O_NOCTTY)
        os.write(host, b"S8\rO\rtXYZ0\rt08099\rt0801AB\r")
        message = far.recv(5 * wait_factor)
        os.close(host)
        assert (message.arbitration_id, bytes(message.data)) == (0x080, b"\xab")
        assert adapter.rejected == 2
