"""Ids of a kit on raw CAN, found by pressing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import can
import numpy as np
import pytest

from drivers.uskin import id_search
from drivers.uskin.id_map import read_id_map
from drivers.uskin.id_search import IDS, RawListener, id_rows, read_begun, share_out, taken_ids, write_rows
from drivers.uskin.raw_can import RawTaxel, encode_raw
from drivers.uskin.raw_client import open_skin_bus
from skin_teleop.errors import ConfigError
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()


def test_the_strongest_answer_is_given_first_and_no_id_twice() -> None:
    answers = np.array([[900.0, 800, 0, 10], [1000, 100, 0, 0], [0, 0, 0, 500]])
    assert share_out(answers, taken=set()) == [1, 0, 3]
    assert share_out(answers, taken={0}) == [1, -1, 3]
    assert share_out(np.zeros((2, 4)), taken=set()) == [-1, -1]


def test_a_whole_map_is_written_in_parts_and_read_by_the_driver(tmp_path: Path) -> None:
    buses, file = ("can1", "can2"), tmp_path / "kit.csv"
    place = np.random.default_rng(4).permutation(2 * IDS)[:368]
    assert read_begun(file, buses) == []
    for pad in LAYOUT.pads:
        rows = [*read_begun(file, buses), *id_rows(place[pad.taxels].tolist(), pad, LAYOUT, buses)]
        write_rows(file, rows)
    assert taken_ids(read_begun(file, buses), buses) == set(place.tolist())
    id_map = read_id_map(str(file), buses, LAYOUT)
    assert {buses.index(bus) * IDS + i: k for bus, ids in id_map.items() for i, k in ids.items()} == {
        int(p): k for k, p in enumerate(place)
    }


def test_a_map_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "begun.csv"
    write_rows(file, [["can0", "0x141", "3aftc", "1"]])
    before = file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(id_search.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_rows(file, [["can0", "0x141", "3aftc", "1"], ["can0", "0x142", "3aftc", "2"]])
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_map_that_was_begun_on_another_bus_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "begun.csv"
    write_rows(file, [["can0", "0x141", "3aftc", "1"], ["can9", "0x10", "3aftc", "2"]])
    with pytest.raises(ConfigError, match=r"begun\.csv line 3: bus; found: can9; allowed: can0, can1"):
        read_begun(file, ("can0", "can1"))


def test_the_listener_hears_every_id_on_every_bus(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, wait_factor: float
) -> None:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    config = SkinConfig(source="raw_can", can_interface="skin_teleop_local", can_channels=("s0", "s1"))
    stop = threading.Event()
    listener = RawListener(config, stop)
    sender = open_skin_bus(config, "s1")
    listener.start()
    try:
        sender.send(can.Message(arbitration_id=0x141, data=b"\x01\x02", is_extended_id=False))
        frame = RawTaxel(1, 4, 1, (16536, 16140, 37201))  # XELA uSPa46 manual, figure 5
        sender.send(can.Message(arbitration_id=frame.id, data=encode_raw(frame), is_extended_id=False))
        deadline = time.monotonic() + 5 * wait_factor
        while np.isnan(listener.z_counts).all() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        stop.set()
        listener.join()
        sender.shutdown()
    assert np.flatnonzero(~np.isnan(listener.z_counts)).tolist() == [IDS + 0x141]
    assert listener.z_counts[IDS + 0x141] == 37201
