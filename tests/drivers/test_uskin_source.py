"""A skin that is mounted otherwise than the table says reads the same, once its pad map is in the rig."""

from __future__ import annotations

import csv
import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from drivers.uskin import client
from drivers.uskin.hold import SkinHold
from drivers.uskin.raw_can import RawTaxel, raw_id
from drivers.uskin.raw_hold import RawHold
from drivers.uskin.server_frame import SensorReading, ServerFrame
from drivers.uskin.source import open_source
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.skin_mounting import PadMounting, mounted_taxels

LAYOUT = skin_layout()
MOUNTED = {
    "ahr_palm_2": PadMounting("ahr_palm_2", 180),
    "link_6": PadMounting("link_10", 90),
    "link_10": PadMounting("link_9A", 270, mirrored=True),
    "link_9A": PadMounting("link_6"),
}
TRUE_COUNTS = np.random.default_rng(6).integers(16_000, 40_000, (368, 3)).astype(np.uint16)
"""What every taxel measures, canonical order of the hand as it is."""


def on_the_table_places() -> np.ndarray:
    """The counts (368, 3) where the table, which knows nothing of the mounting, expects each taxel."""
    wire = np.empty_like(TRUE_COUNTS)
    wire[mounted_taxels(LAYOUT, MOUNTED)] = TRUE_COUNTS
    assert (wire != TRUE_COUNTS).any()
    return wire


@pytest.mark.parametrize("per_pad", [False, True])
def test_the_servers_values_come_to_where_the_pads_are(per_pad: bool) -> None:
    names = tuple(pad.name for pad in LAYOUT.pads)
    config = SkinConfig(mounted=MOUNTED, sensor_pads=names if per_pad else ())
    hold = open_source(config, threading.Event()).hold
    assert isinstance(hold, SkinHold)
    wire = on_the_table_places()
    sent = wire if per_pad else LAYOUT.to_vendor(wire)
    if per_pad:
        sent = np.concatenate([wire[p.taxels][np.argsort(LAYOUT.vendor_taxel[p.taxels])] for p in LAYOUT.pads])
    hold.take(ServerFrame(1, 10, (SensorReading("XR23AHRCPP", sent, None, None, 10),)), 0)
    np.testing.assert_array_equal(hold.flux, TRUE_COUNTS)


def test_a_server_whose_host_is_no_name_is_dialled_again_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name's parts are too short or too long for the resolver, which is a UnicodeError and no OSError."""
    monkeypatch.setattr(client, "RETRY_S", 0.01)
    dialled = threading.Semaphore(0)
    monkeypatch.setattr(client, "connect", lambda url, **options: (dialled.release(), connect(url, **options))[1])
    stop = threading.Event()
    source = open_source(SkinConfig(url="ws://.local:5000"), stop)
    source.start()
    try:
        assert all(dialled.acquire(timeout=20) for _ in range(3))
    finally:
        stop.set()
        source.join()
    assert [name for name, _ in source.notices] == ["disconnected"]


def test_raw_values_come_to_where_the_pads_are(tmp_path: Path) -> None:
    ids = [raw_id(k // 16 % 8, k % 16, k // 128) for k in range(368)]
    with (tmp_path / "kit.csv").open("w", newline="") as file:
        names = [(LAYOUT.pads[LAYOUT.pad_index[k]].name, LAYOUT.vendor_taxel[k]) for k in range(368)]
        csv.writer(file).writerows([("bus", "id", "pad", "taxel"), *(("c", ids[k], *names[k]) for k in range(368))])
    config = SkinConfig(source="raw_can", can_channels=("c",), id_map=str(tmp_path / "kit.csv"))
    for mounted, expected in (({}, on_the_table_places()), (MOUNTED, TRUE_COUNTS)):
        hold = open_source(dataclasses.replace(config, mounted=mounted), threading.Event()).hold
        assert isinstance(hold, RawHold)
        for k, xyz in enumerate(on_the_table_places().tolist()):
            frame = RawTaxel(ids[k] >> 8, ids[k] >> 4 & 0xF, ids[k] & 0xF, tuple(xyz))
            assert hold.take("c", frame, k)
        np.testing.assert_array_equal(hold.flux, expected)
