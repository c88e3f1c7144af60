"""The tables of a second hand and its skin: what follows from them, and every mistake with its repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from skin_teleop.errors import ConfigError
from skin_teleop.rig import Rig, load_rig

HEAD = 'schema = "skin_teleop.rig/1"\nname = "lab"\n'
SECOND = "[second_hand]\nname = 'allegro_left'\nmodel = 'allegro_v4_left'\n"
SECOND_SKIN = "[second_skin]\nname = 'uskin_left'\nurl = 'ws://127.0.0.1:5001'\n"
OWN_BUS = SECOND + "can_channel = 'can1'\n"


def rig_of(folder: Path, text: str) -> Rig:
    path = folder / "rig.toml"
    path.write_text(HEAD + text)
    return load_rig(str(path))


def test_every_device_is_a_process_and_a_stream_of_its_own(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, OWN_BUS + SECOND_SKIN)
    assert rig.processes == ("recorder", "hand", "second_hand", "skin", "second_skin", "server")
    assert {table: hand.name for table, hand in rig.hands.items()} == {"hand": "allegro", "second_hand": "allegro_left"}
    assert list(rig.skins) == ["skin", "second_skin"]
    assert (rig.wrist_stream("hand"), rig.wrist_stream("second_hand")) == ("wrist", "allegro_left_wrist")


def test_what_follows_from_the_second_hands_side(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, OWN_BUS + SECOND_SKIN)
    assert rig.second_skin is not None
    assert rig.second_skin.layout == "xela_ah_left"
    assert rig.server.driven_hand == "right"
    assert rig.server.second_wrist_home_m == (-0.16, 0.4, 0.17)
    assert rig.server.second_wrist_home_rpy_deg == (-90.0, 0.0, -90.0)


def test_the_first_hand_may_be_the_left_one(tmp_path: Path) -> None:
    text = (
        "[hand]\nmodel = 'allegro_v5_left_b'\n[second_hand]\nname = 'r'\nmodel = 'allegro_v5_right_b'\ndevice_id = 2\n"
    )
    rig = rig_of(tmp_path, text)
    assert (rig.server.driven_hand, rig.skin.layout) == ("left", "xela_ah_left")
    assert rig.server.second_wrist_home_m == (-0.16, -0.4, 0.17)
    assert rig.server.second_wrist_home_rpy_deg == (90.0, 0.0, 90.0)
    assert rig.hands["second_hand"].finger_joint1_z_m != rig_of(tmp_path, "").hand.finger_joint1_z_m


def test_a_second_hand_may_be_bare_and_share_the_bus_by_its_id(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, SECOND + "device_id = 1\n")
    assert rig.processes == ("recorder", "hand", "second_hand", "skin", "server")
    seen = rig.seen_by("second_hand")
    assert (seen.hand.name, seen.skin.layout, seen.second_hand) == ("allegro_left", "xela_ah_left", None)
    assert rig.seen_by("skin") is rig
    with pytest.raises(ConfigError, match=r"second_skin of rig lab was asked for.*next: add \[second_skin\]"):
        rig.seen_by("second_skin")


def test_every_device_of_a_world_is_simulated_unless_the_file_says_which(tmp_path: Path) -> None:
    both = SECOND + "device_id = 1\n" + SECOND_SKIN
    assert (rig_of(tmp_path, both + "[world]\n").world or pytest.fail()).devices == (
        "hand", "second_hand", "skin", "second_skin",
    )  # fmt: skip
    mixed = rig_of(tmp_path, both + "[world]\ndevices = ['second_hand', 'skin']\n")
    simulated = [device for device in (*mixed.hands, *mixed.skins) if mixed.simulates(device)]
    assert simulated == ["second_hand", "skin"]
    ports = mixed.on_free_ports()
    assert ports.second_skin == mixed.second_skin
    assert ports.skin.url != mixed.skin.url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SECOND_SKIN, r"second_skin; found: no second_hand that wears it; next: add \[second_hand\]"),
        (
            "[second_hand]\nname = 'b'\ncan_channel = 'can1'\n",
            r"second_hand\.model; found: allegro_v4_right, of the same side as allegro_v4_right;.*"
            r"next: second_hand\.model = \"allegro_v4_left\"",
        ),
        (
            "[second_hand]\nmodel = 'allegro_v4_left'\ndevice_id = 1\n",
            r"second_hand\.name; found: allegro, which is a stream of hand\.name too;"
            r".*next: second_hand\.name = \"allegro_2\"",
        ),
        (
            OWN_BUS + "[second_skin]\nname = 'allegro_left'\n",
            r"second_skin\.name; found: allegro_left, which is a stream of second_hand\.name too",
        ),
        (
            SECOND,
            r"second_hand\.device_id; found: 0 on can0, as the first hand has it;.*device_id = 1, or",
        ),
        (
            "[hand]\ncan_interface = 'slcan'\ncan_channel = 'usb'\n"
            + SECOND
            + "device_id = 1\ncan_interface = 'slcan'\ncan_channel = 'usb'\n",
            r"second_hand\.can_channel; found: usb, the serial port of the first hand; allowed: a port of its own",
        ),
        (
            OWN_BUS + "[second_skin]\nname = 's'\n",
            r"second_skin\.url; found: ws://127\.0\.0\.1:5000, which is the first skin's.*second xela_server",
        ),
        (
            OWN_BUS + "[server]\ndriven_hand = 'left'\n",
            r"server\.driven_hand; found: left; allowed: right, the side of allegro_v4_right",
        ),
        (
            OWN_BUS + SECOND_SKIN + "layout = 'xela_ah_right'\n",
            r"second_skin\.layout; found: xela_ah_right; allowed: the kit of the same side as allegro_v4_left",
        ),
        (OWN_BUS + "period_ms = 0\n", r"second_hand\.period_ms; found: 0; allowed: 1 to 20"),
        (OWN_BUS + "period_ms = 4\n[world]\n", r"second_hand\.period_ms; found: 4; allowed: 3, as hand\.period_ms"),
        (OWN_BUS + "speed = 3\n", r"unknown key; found: second_hand\.speed; allowed: second_hand\.name"),
        ("[world]\ndevices = ['second_hand']\n", r"world\.devices; found: second_hand, .*next: add \[second_hand\]"),
    ],
)
def test_a_mistake_of_two_hands_is_named_with_its_repair(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rig_of(tmp_path, text)


def test_two_skins_on_raw_can_need_their_own_buses(tmp_path: Path) -> None:
    raw = "source = 'raw_can'\nid_map = 'kit.csv'\ncan_channels = ['can2', 'can3']\n"
    text = f"[skin]\n{raw}{OWN_BUS}[second_skin]\nname = 's'\n{raw}"
    with pytest.raises(ConfigError, match=r"second_skin\.can_channels; found: can2, which is the first skin's"):
        rig_of(tmp_path, text)
