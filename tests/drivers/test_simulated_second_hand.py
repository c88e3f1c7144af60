"""The simulated second hand: its own device id on the bus, a skin of its own that rests, and nothing of the world."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import can
import numpy as np
import pytest
from websockets.sync.client import connect

from drivers.allegro.codec import FingerPose, Frame, HandEvent, HandInfo, InfoRequest, decode, encode
from drivers.simulated.light_second import SecondHand
from drivers.uskin.server_frame import ServerFrame, parse_server_frame
from skin_teleop.rig import Rig, load_rig

PERIOD_3_MS = bytes.fromhex("030000000000")


@pytest.fixture
def rig() -> Rig:
    return load_rig("simulated_two_hands").on_free_ports()


@pytest.fixture
def second(rig: Rig, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondHand]:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    made = SecondHand(rig)
    yield made
    made.close()


def heard(bus: can.BusABC, device_id: int) -> Iterator[HandEvent | None]:
    while (message := bus.recv(timeout=0.05)) is not None:
        event = decode(message.arbitration_id, bytes(message.data), message.is_remote_frame, device_id)
        assert not isinstance(event, InfoRequest)
        yield event  # type: ignore[misc]


def send(bus: can.BusABC, frame: Frame) -> None:
    bus.send(
        can.Message(arbitration_id=frame.id, data=frame.data, is_remote_frame=frame.is_remote, is_extended_id=False)
    )


def test_it_answers_to_its_own_id_only(second: SecondHand, rig: Rig) -> None:
    host = can.Bus(interface=rig.hand.can_interface, channel=rig.hand.can_channel)
    send(host, encode(InfoRequest(), 0))
    second.turn()
    assert list(heard(host, 0)) == []
    send(host, encode(InfoRequest(), 1))
    send(host, Frame(0x204 + 1, PERIOD_3_MS))
    second.turn()
    events = list(heard(host, 1))
    host.shutdown()
    (info,) = (event for event in events if isinstance(event, HandInfo))
    assert info.is_left
    assert [event.finger for event in events if isinstance(event, FingerPose)] == [0, 1, 2, 3]


def test_its_skin_rests_and_is_another_specimen_than_the_first(second: SecondHand, rig: Rig) -> None:
    def frame() -> ServerFrame:
        while True:
            second.serve_skin()
            read = parse_server_frame(skin.recv(timeout=5, decode=False))
            if read is not None:
                return read

    with connect(rig.skins["second_skin"].url, compression=None, proxy=None) as skin:
        assert parse_server_frame(skin.recv(timeout=5, decode=False)) is None
        first = frame()
        later = [frame() for _ in range(20)][-1]
    assert [sensor.model for sensor in first.sensors] == ["XR23AHLCPP"]
    assert first.flux.shape == (368, 3)
    assert first.flux[:, 2].mean() == pytest.approx(36500, abs=300)
    moved = np.abs(later.flux.astype(int) - first.flux.astype(int))
    assert np.count_nonzero(moved) > 0
    assert np.median(moved) < 10


def test_what_is_not_simulated_is_left_alone(rig: Rig, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The skin's port stays free for the real server, and the bus for the real hand."""
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    assert rig.world is not None
    real = SecondHand(dataclasses.replace(rig, world=dataclasses.replace(rig.world, devices=("hand", "skin"))))
    host = can.Bus(interface=rig.hand.can_interface, channel=rig.hand.can_channel)
    send(host, encode(InfoRequest(), 1))
    real.turn()
    real.serve_skin()
    assert list(heard(host, 1)) == []
    with pytest.raises(OSError, match="refused"):
        connect(rig.skins["second_skin"].url, proxy=None)
    host.shutdown()
    real.close()
