"""Pads that are turned, mirrored or on another pad's wires: which taxel is read where, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from skin_teleop.errors import ConfigError
from skin_teleop.rig import load_rig, saved_rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.skin_mounting import (
    PadMounting,
    mounted_taxels,
    possible_mountings,
    read_pad_map,
    seen_from_outside_m,
    write_pad_map,
)

LAYOUT = skin_layout()
NAMES = [pad.name for pad in LAYOUT.pads]


def test_without_a_map_every_taxel_is_where_the_table_says() -> None:
    np.testing.assert_array_equal(mounted_taxels(LAYOUT, {}), np.arange(368))
    own = {name: PadMounting() for name in NAMES}
    np.testing.assert_array_equal(mounted_taxels(LAYOUT, own), np.arange(368))


def test_half_a_turn_exchanges_the_opposite_corners() -> None:
    pad = LAYOUT.pad("ahr_palm_2")
    carried = mounted_taxels(LAYOUT, {"ahr_palm_2": PadMounting(turn_deg=180)})
    np.testing.assert_allclose(
        seen_from_outside_m(LAYOUT, pad)[carried[pad.taxels] - pad.first], -seen_from_outside_m(LAYOUT, pad), atol=1e-6
    )
    others = np.flatnonzero(LAYOUT.pad_index != pad.index)
    np.testing.assert_array_equal(carried[others], others)


def test_a_quarter_turn_is_counter_clockwise_from_outside() -> None:
    pad = LAYOUT.pad("link_6")
    seen = seen_from_outside_m(LAYOUT, pad)
    carried = mounted_taxels(LAYOUT, {"link_6": PadMounting(turn_deg=90)})[pad.taxels] - pad.first
    lower_right = int((seen @ [1, -1]).argmax())
    upper_right = int((seen @ [1, 1]).argmax())
    assert carried[lower_right] == upper_right


@pytest.mark.parametrize("name", NAMES)
def test_every_possible_mounting_is_undone_by_another_one(name: str) -> None:
    choices = possible_mountings(LAYOUT, LAYOUT.pad(name), name)
    assert len(choices) == {"curved": 2, "4x4": 8, "4x6": 4}[LAYOUT.pad(name).kind]
    permutations = [mounted_taxels(LAYOUT, {name: choice}) for choice in choices]
    assert len({tuple(p) for p in permutations}) == len(choices)
    assert all({tuple(p[q]) for q in permutations} == {tuple(q) for q in permutations} for p in permutations)


def test_swapped_pads_read_each_others_wires() -> None:
    carried = mounted_taxels(LAYOUT, {"link_6": PadMounting("link_10"), "link_10": PadMounting("link_6")})
    one, other = LAYOUT.pad("link_6"), LAYOUT.pad("link_10")
    np.testing.assert_array_equal(carried[one.taxels], np.arange(other.first, other.first + 16))
    np.testing.assert_array_equal(carried[other.taxels], np.arange(one.first, one.first + 16))


@pytest.mark.parametrize(
    ("mounted", "message"),
    [
        ({"ahr_palm_1": PadMounting(turn_deg=90)}, r"cannot be .*: on the wires of a 4x6 pad, turned by 0, "),
        ({"0aftc": PadMounting(turn_deg=180)}, r"curved pad, turned by 0, 0 mirrored"),
        ({"link_6": PadMounting("ahr_palm_1")}, r"link_6 cannot be mounted"),
        ({"link_6": PadMounting("link_10")}, r"carried once; found: link_10 carries two pads"),
        ({"glove": PadMounting()}, r"pad 'glove' was asked for"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(mounted: dict[str, PadMounting], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mounted_taxels(LAYOUT, mounted)


def test_a_written_map_is_read_again(tmp_path: Path) -> None:
    mounted = {"ahr_palm_2": PadMounting("ahr_palm_2", 180), "0aftc": PadMounting("0aftc", 0, mirrored=True)}
    write_pad_map(tmp_path / "pads.toml", LAYOUT.name, mounted, "by hand")
    assert read_pad_map(str(tmp_path / "pads.toml"), LAYOUT.name) == mounted
    write_pad_map(tmp_path / "none.toml", LAYOUT.name, {}, "nothing yet")
    assert read_pad_map(str(tmp_path / "none.toml"), LAYOUT.name) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", r"skin\.pad_map .* cannot be read.*next: skin-teleop verify-skin"),
        ('layout = "xela_ah_left"\n[pads]\n', r"layout xela_ah_right were expected; found: layout 'xela_ah_left'"),
        ('layout = "xela_ah_right"\n', r"tables layout; allowed: layout = \"xela_ah_right\" and tables"),
        ('layout = "xela_ah_right"\n[pads.link_6]\nturn = 90\n', r"pad link_6; found: turn; allowed: carried_by"),
        ('layout = "xela_ah_right"\npads = 3\n', r"wrong value; found: Expected `object`, got `int`"),
        ('layout = "xela_ah_right"\n[pads]\nlink_6 = 3\n', r"wrong value; found: Expected `object`, got `int`"),
        ('layout = "xela_ah_right"\n[pads.link_6]\nturn_deg = 45\n', r"wrong value; found: Invalid enum value 45"),
    ],
)
def test_a_mistake_in_a_map_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pads.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_pad_map(str(tmp_path / "pads.toml"), LAYOUT.name)


def test_the_rig_carries_what_its_pad_map_says(tmp_path: Path) -> None:
    write_pad_map(tmp_path / "pads.toml", LAYOUT.name, {"ahr_palm_2": PadMounting("ahr_palm_2", 180)}, "by hand")
    (tmp_path / "lab.toml").write_text(
        f'schema = "skin_teleop.rig/1"\nname = "lab"\n[skin]\npad_map = "{tmp_path / "pads.toml"}"\n'
    )
    rig = load_rig(str(tmp_path / "lab.toml"))
    assert rig.skin.mounted == {"ahr_palm_2": PadMounting("ahr_palm_2", 180)}
    rig.save(tmp_path)
    assert saved_rig(tmp_path) == rig
    snapshot = msgspec.to_builtins(rig)["skin"]["mounted"]
    assert snapshot == {"ahr_palm_2": dataclasses.asdict(PadMounting("ahr_palm_2", 180))}


def test_a_mounting_is_not_written_into_the_rig_file_itself(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        'schema = "skin_teleop.rig/1"\nname = "lab"\n[skin.mounted.link_6]\nturn_deg = 90\n'
    )
    with pytest.raises(ConfigError, match=r"skin\.mounted; found: a table; allowed: skin\.pad_map, which fills it"):
        load_rig(str(tmp_path / "lab.toml"))
