"""Raw CAN: recorded frames decode to what the manuals print, the user's map is checked, a silent controller is told."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.uskin.id_map import read_id_map
from drivers.uskin.node import _SkinReports
from drivers.uskin.raw_can import RawTaxel, decode_raw, encode_raw, raw_id
from drivers.uskin.raw_hold import RawHold
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.errors import ConfigError, WireError
from skin_teleop.messages import FLAG_STALE, SkinFrame
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
T0 = 5 * NS_PER_S


@pytest.mark.parametrize(
    ("identifier", "data", "taxel"),
    [  # the first two: XELA uSPa46 instruction manual, figure 5; the third: a set-up guide for uSPa44
        (0x141, "9340983F0C915114", RawTaxel(1, 4, 1, (16536, 16140, 37201), 0x93, 0x14)),
        (0x071, "933DB83FFA8E3717", RawTaxel(0, 7, 1, (15800, 16378, 36407), 0x93, 0x17)),
        (0x004, "937E317E1593120F", RawTaxel(0, 0, 4, (32305, 32277, 37650), 0x93, 0x0F)),
    ],
)
def test_recorded_frames(identifier, data, taxel):
    assert decode_raw(identifier, bytes.fromhex(data)) == taxel
    assert (taxel.id, encode_raw(taxel).hex().upper()) == (identifier, data)


def test_every_recorded_frame_of_the_manual(reference_data):
    lines = (reference_data / "hardware" / "xela_can" / "canreal_uskin_4x4_fig5.log").read_text().splitlines()
    frames = [field for line in lines for field in line.split() if "#" in field]
    taxels = [decode_raw(int(f.split("#")[0], 16), bytes.fromhex(f.split("#")[1])) for f in frames]
    assert len(taxels) == 16
    assert {taxel.mcu for taxel in taxels} == {1}
    assert all(15_800 <= taxel.xyz[0] <= 16_536 and 35_619 <= taxel.xyz[2] <= 37_221 for taxel in taxels)


counts = st.integers(0, 65535)


@given(st.integers(0, 7), st.integers(0, 15), st.integers(0, 15), st.tuples(counts, counts, counts))
def test_every_value_survives_the_wire(sda, taxel, mcu, xyz):
    sent = RawTaxel(sda, taxel, mcu, xyz)
    assert decode_raw(sent.id, encode_raw(sent)) == sent
    assert raw_id(sda, taxel, mcu) < 0x800


@pytest.mark.parametrize(("identifier", "length"), [(0x141, 7), (0x141, 0), (0x800, 8)])
def test_another_frame_is_refused(identifier, length):
    with pytest.raises(WireError, match="a uSkin taxel frame was expected; found: id 0x"):
        decode_raw(identifier, b"\0" * length)


def rows(buses: tuple[str, ...] = ("a", "b")) -> list[list[str]]:
    """An invented map for tests: 23 controllers of 16 taxels, every second one on the second bus."""
    table = []
    for pad in LAYOUT.pads:
        for k in range(pad.first, pad.first + pad.count):
            mcu, place = divmod(k, 32)
            identifier = raw_id(place // 16, place % 16, mcu)
            table.append([buses[mcu % len(buses)], hex(identifier), pad.name, str(LAYOUT.vendor_taxel[k])])
    return table


def write_map(folder: Path, table: list[list[str]]) -> str:
    path = folder / "kit.csv"
    path.write_text("\n".join(",".join(row) for row in [["bus", "id", "pad", "taxel"], *table]) + "\n")
    return str(path)


def test_a_whole_map_is_read(tmp_path):
    id_map = read_id_map(write_map(tmp_path, rows()), ("a", "b"), LAYOUT)
    assert sorted(taxel for ids in id_map.values() for taxel in ids.values()) == list(range(368))


@pytest.mark.parametrize(
    ("line", "column", "value", "message"),
    [
        (0, 0, "can9", "line 2: bus; found: can9; allowed: a, b"),
        (1, 1, "0x0", "line 3: id 0x0; found: used twice on a"),
        (1, 1, "4096", "line 3: id; found: '4096'; allowed: 0 to 2047"),
        (0, 2, "thumb", "pad 'thumb' was asked for"),
        (1, 3, "1", "taxel 1 of 3aftc; found: already on line 2"),
        (0, 3, "x", "line 2: taxel; found: 'x'"),
    ],
)
def test_a_mistake_in_the_map_is_told_with_its_line(tmp_path, line, column, value, message):
    table = rows()
    table[line][column] = value
    with pytest.raises(ConfigError, match=message):
        read_id_map(write_map(tmp_path, table), ("a", "b"), LAYOUT)


def test_a_missing_taxel_or_column_is_told(tmp_path):
    with pytest.raises(ConfigError, match="should map every taxel; found: 367 of 368"):
        read_id_map(write_map(tmp_path, rows()[:-1]), ("a", "b"), LAYOUT)
    with pytest.raises(ConfigError, match="should have the columns bus,id,pad,taxel"):
        read_id_map(write_map(tmp_path, [["a", "0x1"]]), ("a", "b"), LAYOUT)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_id_map(str(tmp_path / "none.csv"), ("a", "b"), LAYOUT)


def held(tmp_path: Path) -> tuple[RawHold, dict[str, dict[int, int]]]:
    id_map = read_id_map(write_map(tmp_path, rows()), ("a", "b"), LAYOUT)
    return RawHold(id_map), id_map


def send(hold: RawHold, bus: str, identifier: int, z: int, now_ns: int) -> bool:
    frame = RawTaxel(identifier >> 8, identifier >> 4 & 15, identifier & 15, (1, 2, z))
    return hold.take(bus, frame, now_ns)


def test_every_taxel_is_held_and_ages_by_itself(tmp_path):
    hold, id_map = held(tmp_path)
    (first, taxel), (second, other) = list(id_map["a"].items())[:2]
    assert send(hold, "a", first, 100, T0)
    assert send(hold, "a", second, 200, T0 + 50 * NS_PER_MS)
    ages = hold.age_ms(T0 + 80 * NS_PER_MS)
    assert (ages[taxel], ages[other], (ages == 65535).sum()) == (80, 30, 366)
    assert (hold.flux[taxel, 2], hold.flux[other, 2]) == (100, 200)
    assert not send(hold, "a", 0x7FF, 1, T0)
    assert hold.message == 2


def test_a_row_keeps_the_values_of_its_tick_while_frames_go_on_arriving(tmp_path, runtime):
    """The recorder's feed packs the row and the display does so again, both after the reader's lock was let go."""
    hold, id_map = held(tmp_path)
    identifier, taxel = next(iter(id_map["a"].items()))
    send(hold, "a", identifier, 100, T0)
    source = SimpleNamespace(hold=hold, lock=threading.Lock())
    reports, rows = _SkinReports(runtime, "uskin", "skin"), []

    def slow(row: SkinFrame, stream: str) -> None:
        send(hold, "a", identifier, 999, T0 + 5 * NS_PER_MS)
        rows.append(SkinFrame.unpack(row.pack()))

    reports._feed.send = reports._publisher.send = slow
    reports.frame(source, T0 + NS_PER_MS)
    reports.close()
    assert [(row.flux[taxel].tolist(), row.age_ms[taxel], row.seq) for row in rows] == [([1, 2, 100], 1, 1)] * 2


def test_it_has_data_when_all_have_sent_or_a_second_has_passed(tmp_path):
    hold, id_map = held(tmp_path)
    for number, (bus, ids) in enumerate(id_map.items()):
        assert not hold.has_data
        for identifier in ids:
            send(hold, bus, identifier, 1, T0 + number)
    assert hold.has_data
    late, _ = held(tmp_path)
    send(late, "a", next(iter(id_map["a"])), 1, T0)
    send(late, "a", next(iter(id_map["a"])), 1, T0 + NS_PER_S)
    assert late.has_data


def test_a_silent_controller_is_a_fault_and_a_quiet_taxel_is_not(tmp_path):
    hold, id_map = held(tmp_path)
    for bus, ids in id_map.items():
        for identifier in ids:
            send(hold, bus, identifier, 1, T0)
    for now_ns in range(T0, T0 + 3 * NS_PER_S, NS_PER_S // 4):
        for bus, mcu in {(bus, i & 15) for bus, ids in id_map.items() for i in ids} - {("b", 3)}:
            send(hold, bus, next(i for i in id_map[bus] if i & 15 == mcu), 1, now_ns)
    now_ns = T0 + 3 * NS_PER_S
    assert hold.silent_controllers(now_ns) == ["b/3"]
    assert hold.flags(now_ns) & FLAG_STALE


def test_updates_per_second_are_counted(tmp_path):
    hold, id_map = held(tmp_path)
    identifier, taxel = next(iter(id_map["a"].items()))
    assert np.isnan(hold.updates_per_s).all()
    for k in range(6):
        send(hold, "a", identifier, k, T0 + k * NS_PER_MS)
    hold.count_updates(T0 + 2 * NS_PER_S)
    assert (hold.updates_per_s[taxel], hold.updates_per_s.sum()) == (3, 3)
