"""verify-skin as a person sees it, rehearsed on a simulated skin that is mounted wrongly and presses itself."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from drivers.simulated import pressed_skin
from drivers.simulated.xela_server import XelaServer
from drivers.uskin.raw_can import raw_id
from skin_teleop.cli import press_guide
from skin_teleop.cli.main import main
from skin_teleop.cli.press_guide import PressGuide, picture
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import DeviceError
from skin_teleop.skin_layout import skin_layout
from skin_teleop.skin_mounting import PadMounting, read_pad_map, write_pad_map

LAYOUT = skin_layout()


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(press_guide, "SETTLE_ROWS", 30)
    monkeypatch.setattr(pressed_skin, "PRESS_ROWS", 15)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _twice_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's server at 200 Hz, looked at 100 times a second: the guide counts rows, not seconds."""
    monkeypatch.setattr(press_guide, "TICK_NS", NS_PER_S // 100)
    monkeypatch.setattr(pressed_skin, "PERIOD_NS", NS_PER_S // 200)


@pytest.mark.usefixtures("_twice_as_fast")
def test_wrong_flips_and_swapped_pads_are_found_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"ahr_palm_2": PadMounting("ahr_palm_2", 180), "link_6": PadMounting("link_10", 90)}
    wrong |= {"link_10": PadMounting("link_6", 0, mirrored=True)}
    write_pad_map(tmp_path / "wrong.toml", LAYOUT.name, wrong, "injected")
    words = [
        "verify-skin",
        "--rig",
        "simulated",
        "--rehearse",
        "wrong.toml",
        "--pads",
        "ahr_palm_2,link_6,link_10,2aftc",
    ]
    assert main(words) == 0
    found = read_pad_map("pad_map.toml", LAYOUT.name)
    assert found == wrong | {"2aftc": PadMounting("2aftc")}
    told = capsys.readouterr().out
    assert "link_6: on the wires of link_10, turned by 90 deg" in told
    assert '4 of 18 pads verified; in pad_map.toml; in the rig file: skin.pad_map = "pad_map.toml"' in told


def test_a_pad_that_nobody_presses_is_not_verified(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pressed_skin.PressedSkin, "press", lambda self, taxel: None)
    write_pad_map(Path("right.toml"), LAYOUT.name, {}, "nothing wrong")
    words = ["verify-skin", "--rig", "simulated", "--rehearse", "right.toml", "--pads", "link_6", "--timeout-s", "0.3"]
    assert main(words) == 1
    assert "link_6: nothing answered" in capsys.readouterr().out
    assert read_pad_map("pad_map.toml", LAYOUT.name) == {}


def test_the_ids_of_a_pad_on_raw_can_are_found(tmp_path: Path) -> None:
    truth = _invented_map(np.random.default_rng(2))
    with Path("truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["bus", "id", "pad", "taxel"], *truth])
    Path("raw.toml").write_text(
        'schema = "skin_teleop.rig/1"\nname = "raw"\n[skin]\nsource = "raw_can"\n'
        'can_interface = "skin_teleop_local"\ncan_channels = ["s0", "s1"]\nid_map = "kit.csv"\n'
    )
    assert main(["verify-skin", "--rig", "raw.toml", "--rehearse", "truth.csv", "--pads", "link_2"]) == 0
    with Path("kit.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [row for row in truth if row[2] == "link_2"]


def _invented_map(generator: np.random.Generator) -> list[list[str]]:
    ids = [f"0x{raw_id(k // 16 % 8, k % 16, k // 128):03X}" for k in range(368)]
    names = [(LAYOUT.pads[LAYOUT.pad_index[k]].name, str(LAYOUT.vendor_taxel[k])) for k in range(368)]
    return [[f"s{k % 2}", ids[i], *names[k]] for k, i in enumerate(generator.permutation(368))]


def test_a_silent_skin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(press_guide, "FIRST_DATA_S", 0.1)
    with pytest.raises(DeviceError, match=r"nothing arrived within 0 s; next: skin-teleop doctor.*5 V supply"):
        PressGuide(LAYOUT, 1.0).watch(lambda: None, 368)


def test_the_picture_shows_the_place_with_the_fingertips_up() -> None:
    seen = LAYOUT.positions_m["vendor"][LAYOUT.pad("ahr_palm_1").taxels, 1:]
    pad = LAYOUT.pad("ahr_palm_1")
    lines = picture(LAYOUT, pad, pad.first + int((seen @ [1, 1]).argmax())).splitlines()
    assert lines == ["    . . . . . X", *["    . . . . . ."] * 3]
    tip = LAYOUT.pad("0aftc")
    assert sum(line.count(".") for line in picture(LAYOUT, tip, tip.first).splitlines()) == 29


def test_the_simulated_server_is_closed_after_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[XelaServer] = []
    close = XelaServer.close
    monkeypatch.setattr(XelaServer, "close", lambda self: (closed.append(self), close(self)))
    monkeypatch.setattr(pressed_skin.PressedSkin, "press", lambda self, taxel: None)
    write_pad_map(Path("right.toml"), LAYOUT.name, {}, "nothing wrong")
    main(["verify-skin", "--rig", "simulated", "--rehearse", "right.toml", "--pads", "3aftc", "--timeout-s", "0.1"])
    assert len(closed) == 1
    assert not closed[0].is_serving
