"""The local CAN bus: delivery, order, filters, slow and dead receivers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import can
import pytest

from drivers.can_local.bus import QUEUE_FRAMES, LocalCanBus
from drivers.can_local.wire import pack_message, unpack_message
from skin_teleop.errors import DeviceError, WireError


@pytest.fixture
def pair(runtime: Path) -> Iterator[tuple[LocalCanBus, LocalCanBus]]:
    with LocalCanBus("a", folder=runtime / "c") as one, LocalCanBus("a", folder=runtime / "c") as two:
        yield one, two


def data_frame(number: int) -> can.Message:
    return can.Message(arbitration_id=number, data=[number & 0xFF], is_extended_id=False)


def received(bus: can.BusABC, wait_s: float = 0.5) -> list[can.Message]:
    messages = []
    while message := bus.recv(wait_s if not messages else 0.05):
        messages.append(message)
    return messages


def test_a_frame_crosses_unchanged_and_is_not_echoed(pair, wait_factor):
    one, two = pair
    before_s = time.time()
    sent = can.Message(arbitration_id=0x08C, data=bytes.fromhex("340AEFFFAF00FCFF"), is_extended_id=False)
    one.send(sent)
    got = two.recv(wait_factor)
    assert got is not None
    assert got.equals(sent, timestamp_delta=None, check_channel=False)
    assert before_s <= got.timestamp <= time.time()
    assert one.recv(0.02) is None


@pytest.mark.parametrize(
    "message",
    [
        can.Message(arbitration_id=0x200, is_remote_frame=True, is_extended_id=False, dlc=0),
        can.Message(arbitration_id=0x1ABCDEF0, data=b"\x01\x02", is_extended_id=True),
        can.Message(arbitration_id=0x4, is_error_frame=True, is_extended_id=False, data=b"\0" * 8),
        can.Message(arbitration_id=0x7FF, data=b"", is_extended_id=False),
    ],
)
def test_every_kind_of_frame_keeps_its_flags(message):
    got = unpack_message(pack_message(message, 1_500_000_000), "a")
    assert got.equals(message, timestamp_delta=None, check_channel=False)
    assert got.timestamp == 1.5


def test_the_wire_is_socketcans_frame_and_a_stamp():
    """struct can_frame of Linux: id 0x123 with the RTR flag, length 2."""
    remote = can.Message(arbitration_id=0x123, is_remote_frame=True, is_extended_id=False, dlc=2)
    assert pack_message(remote, 7) == bytes.fromhex("23010040 02000000 0000000000000000 0700000000000000")


@pytest.mark.parametrize("datagram", [b"", b"x" * 23, b"x" * 25, b"\0\0\0\0\x09" + b"\0" * 19])
def test_other_bytes_are_refused(datagram):
    with pytest.raises(WireError, match="a local CAN frame was expected"):
        unpack_message(datagram, "a")


def test_can_fd_is_refused(pair):
    with pytest.raises(can.CanOperationError, match="only classic CAN frames"):
        pair[0].send(can.Message(arbitration_id=1, is_fd=True, data=b"x" * 12))


def test_a_late_participant_is_found_and_all_others_receive(runtime):
    folder = runtime / "c"
    with LocalCanBus("a", folder=folder) as one:
        one.send(data_frame(1))
        with LocalCanBus("a", folder=folder) as two, LocalCanBus("a", folder=folder) as three:
            one.send(data_frame(2))
            assert [m.arbitration_id for m in received(two)] == [2]
            assert [m.arbitration_id for m in received(three)] == [2]
    assert list(folder.iterdir()) == []


def test_channels_are_apart(runtime, monkeypatch):
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    with (
        can.Bus(interface="skin_teleop_local", channel="left", bitrate=1_000_000) as left,
        can.Bus(interface="skin_teleop_local", channel="right", bitrate=1_000_000) as right,
    ):
        left.send(data_frame(1))
        assert right.recv(0.05) is None
    assert (runtime / "can-left").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("value", [None, "", "/no/such/folder"])
def test_without_a_runtime_folder_it_says_what_to_do(monkeypatch, value):
    monkeypatch.delenv("SKIN_TELEOP_RUNTIME", raising=False)
    if value is not None:
        monkeypatch.setenv("SKIN_TELEOP_RUNTIME", value)
    with pytest.raises(DeviceError, match=r"SKIN_TELEOP_RUNTIME=.*next: start the rig with"):
        LocalCanBus("a")


def test_a_socket_that_cannot_be_bound_is_an_initialization_error(runtime):
    with pytest.raises(can.CanInitializationError, match="cannot bind a socket"):
        LocalCanBus("a", folder=runtime / "missing" / "c")


def test_filters_are_honoured(pair):
    one, two = pair
    two.set_filters([{"can_id": 0x80, "can_mask": 0x7F0}])
    for number in (0x7F, 0x80, 0x8C, 0x90):
        one.send(data_frame(number))
    assert [m.arbitration_id for m in received(two)] == [0x80, 0x8C]


def test_a_burst_beyond_the_kernels_queue_arrives_whole_and_in_order(pair):
    """Linux queues about ten datagrams a socket; the sender keeps the rest and hands it over while it waits."""
    one, two = pair
    for number in range(200):
        one.send(data_frame(number))
    numbers: list[int] = []
    for _ in range(200 * 20):
        one.recv(0)
        if (message := two.recv(0)) is not None:
            numbers.append(message.arbitration_id)
    assert numbers == list(range(200))
    assert one.dropped == 0


def test_a_receiver_that_never_reads_costs_only_its_own_frames(runtime):
    folder = runtime / "c"
    with (
        LocalCanBus("a", folder=folder) as one,
        LocalCanBus("a", folder=folder) as deaf,
        LocalCanBus("a", folder=folder) as two,
    ):
        numbers: list[int] = []
        for number in range(QUEUE_FRAMES + 100):
            one.send(data_frame(number % 0x7FF))
            numbers += [m.arbitration_id for m in [two.recv(0.5)] if m]
        assert numbers == [n % 0x7FF for n in range(QUEUE_FRAMES + 100)]
        assert 0 < one.dropped <= 100
        assert deaf.recv(0) is not None


def test_a_dead_peer_is_forgotten_and_its_socket_removed(runtime):
    folder = runtime / "c"
    code = (
        "import os, sys; from drivers.can_local.bus import LocalCanBus; bus = LocalCanBus('a', folder=sys.argv[1]); "
        "os._exit(9)"
    )
    with LocalCanBus("a", folder=folder) as one:
        subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
        assert len(list(folder.glob("*.sock"))) == 2
        one.send(data_frame(1))
        assert len(list(folder.glob("*.sock"))) == 1
        one.send(data_frame(2))
        assert one.dropped == 0


def test_after_shutdown_nothing_works_and_shutdown_is_repeatable(runtime):
    bus = LocalCanBus("a", folder=runtime / "c")
    bus.shutdown()
    bus.shutdown()
    with pytest.raises(can.CanOperationError, match="shut down"):
        bus.send(data_frame(1))
    with pytest.raises(can.CanOperationError, match="shut down"):
        bus.recv(0)


def test_fileno_is_readable_when_a_frame_waits(pair):
    import select

    one, two = pair
    assert select.select([two.fileno()], [], [], 0)[0] == []
    one.send(data_frame(1))
    assert select.select([two.fileno()], [], [], 1)[0] == [two.fileno()]
