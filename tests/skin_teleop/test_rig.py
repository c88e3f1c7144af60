from __future__ import annotations

from pathlib import Path

import pytest

from skin_teleop.errors import ConfigError, SkinTeleopError
from skin_teleop.rig import BUILT_IN, load_rig, saved_rig

MINIMAL = 'schema = "skin_teleop.rig/1"\nname = "lab"\n'


RAW_SKIN = "[skin]\nsource = 'raw_can'\nid_map = 'kit.csv'\n"


def write(folder: Path, text: str) -> str:
    path = folder / "rig.toml"
    path.write_text(text)
    return str(path)


def test_the_simulated_rig_needs_no_file() -> None:
    rig = load_rig("simulated")
    assert rig.processes == ("recorder", "world", "hand", "skin", "server")
    assert rig.server.host == "127.0.0.1"


def test_a_rig_with_hardware_has_no_world(tmp_path: Path) -> None:
    rig = load_rig(write(tmp_path, MINIMAL + '[hand]\ncan_channel = "can1"\n'))
    assert rig.processes == ("recorder", "hand", "skin", "server")
    assert (rig.hand.can_interface, rig.hand.can_channel) == ("socketcan", "can1")


@pytest.mark.parametrize("device", ["hand", "skin"])
def test_one_device_may_be_simulated_beside_a_real_one(tmp_path: Path, device: str) -> None:
    rig = load_rig(write(tmp_path, MINIMAL + f'[world]\ndevices = ["{device}"]\n'))
    assert rig.processes == ("recorder", "world", "hand", "skin", "server")
    assert (rig.simulates("hand"), rig.simulates("skin")) == (device == "hand", device == "skin")
    assert (rig.on_free_ports().skin.url == rig.skin.url) == (device == "hand")


def test_a_rig_without_a_world_simulates_nothing(tmp_path: Path) -> None:
    rig = load_rig(write(tmp_path, MINIMAL))
    assert not rig.simulates("hand")
    assert not rig.simulates("skin")


def test_a_saved_rig_is_the_same_rig(tmp_path: Path) -> None:
    rig = load_rig("simulated").on_free_ports().with_recordings_in(tmp_path)
    rig.save(tmp_path)
    assert saved_rig(tmp_path) == rig


def test_two_rigs_on_free_ports_do_not_collide() -> None:
    one, other = load_rig("simulated").on_free_ports(), load_rig("simulated").on_free_ports()
    assert len({one.server.port, other.server.port, one.skin.url, other.skin.url}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "[hand]\nspeed = 3\n", r"unknown key; found: hand\.speed; allowed: hand\.name"),
        (MINIMAL + "[hand]\nperiod = 3\n", r"found: hand\.period;.*next: did you mean hand\.period_ms\?"),
        (MINIMAL + "[hand]\nid_map = 'a'\n", r"found: hand\.id_map;.*next: did you mean skin\.id_map\?"),
        (MINIMAL + "[hnad]\nperiod_ms = 3\n", r"found: hnad;.*next: did you mean hand\?"),
        (MINIMAL + "tick_hz = 3\n", r"found: tick_hz;.*next: did you mean skin\.tick_hz\?"),
        (MINIMAL + "colour = 1\n", r"unknown key; found: colour; allowed: schema, name"),
        (MINIMAL + "[hand]\nperiod_ms = 'fast'\n", r"wrong value; found: Expected `int`, got `str`"),
        (MINIMAL + "[hand]\nperiod_ms = 0\n", r"hand\.period_ms; found: 0; allowed: 1 to 20"),
        (MINIMAL + "[hand]\ndevice_id = 4\n", r"hand\.device_id; found: 4; allowed: 0 to 3"),
        (MINIMAL + "[hand]\nmodel = 'shadow'\n", r"'shadow' was asked for; allowed: allegro_v4_right"),
        (MINIMAL + "[skin]\nlayout = 'glove'\n", r"'glove' was asked for; allowed: xela_ah_left, xela_ah_right"),
        (MINIMAL + "[skin]\nurl = 'http://x'\n", r"skin\.url; found: http://x; allowed: ws://"),
        (MINIMAL + "[skin]\nstale_after_ms = -5\n", r"skin\.stale_after_ms; found: -5; allowed: 10 to 60000"),
        (MINIMAL + "[skin]\nurl = 'ws://x:99999'\n", r"skin\.url; found: ws://x:99999; allowed: ws://host:port"),
        (MINIMAL + "[skin]\nurl = 'ws://[::1'\n", r"skin\.url; found: ws://\[::1; allowed: ws://host:port"),
        (MINIMAL + "[skin]\ngeometry = 'round'\n", r"skin\.geometry; found: round; allowed: vendor, sparsh"),
        (MINIMAL + "[world]\ndevices = []\n", r"world\.devices; found: none; allowed: hand, skin or both"),
        (MINIMAL + "[world]\ndevices = ['arm']\n", r"wrong value; found: Invalid enum value 'arm'"),
        (MINIMAL + "[supervisor]\nrestarts_per_minute = -1\n", r"restarts_per_minute; found: -1; allowed: 0 to 20"),
        (MINIMAL + "[hand]\nname = 'uskin'\n", r"skin\.name; found: uskin, which is a stream of hand\.name too"),
        (MINIMAL + "[hand]\nname = 'events'\n", r"hand\.name; found: events, which is a stream of every rig"),
        (MINIMAL + "[hand]\nname = 'wrist'\n", r"hand\.name; found: wrist, .*next: hand\.name = \"wrist_2\""),
        (
            MINIMAL + "[skin]\nname = 'allegro_health'\n",
            r"skin\.name; found: allegro_health, which is a stream of hand",
        ),
        (MINIMAL + "[hand]\nname = '../x'\n", r"hand\.name; found: '\.\./x' as the name of a stream; allowed: a small"),
        (MINIMAL + "[skin]\nname = 'Left-skin'\n", r"skin\.name; found: 'Left-skin' as the name of a stream"),
        (MINIMAL + f"[hand]\nname = '{'a' * 60}'\n", r"hand\.name; found: 'a{60}_health' as the name of a stream"),
        (MINIMAL + "[encoder]\nrun = 'r'\nname = 'uskin'\n", r"encoder\.name; found: uskin, which is a stream of skin"),
        (
            MINIMAL + RAW_SKIN + "can_channels = ['can1', 'can0']\n",
            r"can_channels; found: can0, which is hand\.can_chan",
        ),
        (
            MINIMAL
            + "[hand]\ncan_interface = 'slcan'\ncan_channel = 'usb'\n"
            + RAW_SKIN
            + "can_interface = 'slcan'\ncan_channels = ['usb:0403:6015']\n",
            r"skin\.can_channels; found: usb:0403:6015, which is hand\.can_channel, or may be;.*name both adapters",
        ),
        *(
            (
                MINIMAL
                + f"[hand]\ncan_interface = 'slcan'\ncan_channel = '{hand}'\n"
                + RAW_SKIN
                + f"can_interface = 'slcan'\ncan_channels = ['{skin}']\n",
                rf"skin\.can_channels; found: {skin}, which is hand\.can_channel, or may be",
            )
            for hand, skin in (
                ("usb:16D0:117e", "usb:16d0:117E"),
                ("usb:16d0:117e", "usb:16D0:117E:A17"),
                ("usb:16d0:117e:A17", "usb:16d0:117e"),
                ("/dev/ttyUSB0", "/dev/ttyUSB0@3000000"),
                ("/dev/ttyUSB0", "usb"),
            )
        ),
        (MINIMAL + "[server]\nport = 70000\n", r"server\.port; found: 70000; allowed: 1 to 65535"),
        ('schema = "other"\nname = "x"\n', r"wrong value; found: Invalid enum value 'other'"),
        ("not toml", r"not valid TOML"),
    ],
)
def test_a_mistake_in_a_rig_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_rig(write(tmp_path, text))


def test_a_skin_on_raw_can_stands_beside_the_hand_on_buses_of_its_own(tmp_path: Path) -> None:
    text = MINIMAL + "[hand]\ncan_interface = 'slcan'\ncan_channel = 'usb:16d0:117e'\n" + RAW_SKIN
    rig = load_rig(write(tmp_path, text + "can_interface = 'slcan'\ncan_channels = ['usb:0403:6015']\n"))
    assert rig.skin.can_channels == ("usb:0403:6015",)


@pytest.mark.parametrize(
    ("hand", "skin"),
    [("usb:16d0:117e:A17", "usb:16d0:117e:A171"), ("/dev/ttyUSB1", "/dev/ttyUSB10"), ("/dev/ttyUSB1", "/dev/ttyUSB0")],
)
def test_two_adapters_of_a_kind_are_told_apart(tmp_path: Path, hand: str, skin: str) -> None:
    text = MINIMAL + f"[hand]\ncan_interface = 'slcan'\ncan_channel = '{hand}'\n" + RAW_SKIN
    rig = load_rig(write(tmp_path, text + f"can_interface = 'slcan'\ncan_channels = ['{skin}']\n"))
    assert rig.skin.can_channels == (skin,)


def test_a_missing_rig_says_what_to_run() -> None:
    with pytest.raises(ConfigError, match=r"no such file.*next: skin-teleop up --rig simulated"):
        load_rig("nowhere.toml")


def test_an_error_keeps_its_facts_apart() -> None:
    error = SkinTeleopError("a", found="b", allowed="c", next_step="d")
    assert (error.asked, error.found, error.allowed, error.next_step) == ("a", "b", "c", "d")
    assert str(error) == "a; found: b; allowed: c; next: d"


def test_a_left_hand_brings_its_own_skin_and_home(tmp_path: Path) -> None:
    left = load_rig(write(tmp_path, MINIMAL + "[hand]\nmodel = 'allegro_v4_left'\n"))
    assert left.skin.layout == "xela_ah_left"
    assert left.server.wrist_home_rpy_deg == (-90.0, 0.0, -90.0)
    given = "[hand]\nmodel = 'allegro_v4_left'\n[server]\nwrist_home_rpy_deg = [1.0, 2.0, 3.0]\n"
    assert load_rig(write(tmp_path, MINIMAL + given)).server.wrist_home_rpy_deg == (1.0, 2.0, 3.0)


def test_a_kit_of_the_other_side_is_refused(tmp_path: Path) -> None:
    text = MINIMAL + "[hand]\nmodel = 'allegro_v4_left'\n[skin]\nlayout = 'xela_ah_right'\n"
    with pytest.raises(ConfigError, match=r"skin\.layout; found: xela_ah_right; allowed: the kit of the same side"):
        load_rig(write(tmp_path, text))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_rig_is_simulated_and_named_like_its_file(name: str) -> None:
    rig = load_rig(name)
    assert rig.name == name
    assert rig.world is not None
    assert ("left" in name) == ("left" in rig.hand.model) == ("left" in rig.skin.layout)
    assert ("v5" in name) == ("v5" in rig.hand.model)


def test_an_unknown_fit_of_the_plug_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Invalid enum value 'snug'"):
        load_rig(write(tmp_path, MINIMAL + "[world]\nobject = 'plug'\nplug_fit = 'snug'\n"))
