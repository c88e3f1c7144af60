"""The doctor looks at devices: every state of an interface has the command that mends it, the hand says who it is."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest

from drivers.simulated.light_hand import LightHand
from drivers.simulated.xela_server import XelaServer
from skin_teleop.cli import doctor_devices
from skin_teleop.cli.doctor_devices import can_interfaces, devices, hand, serial_port, skin_server
from skin_teleop.rig import HandConfig, Rig, free_port, load_rig
from skin_teleop.skin_layout import skin_layout

LAB = Rig(schema="skin_teleop.rig/1", name="lab")


def link(flags=("UP",), bitrate=1_000_000, state="ERROR-ACTIVE", restart_ms=100):
    """An object as `ip -details -json link show type can` prints it."""
    data = {"state": state, "restart_ms": restart_ms, "bittiming": {"bitrate": bitrate}}
    return {"ifname": "can0", "flags": list(flags), "linkinfo": {"info_kind": "can", "info_data": data}}


@pytest.mark.parametrize(
    ("links", "state", "found", "fix"),
    [
        ([link()], "ok", "1000000 bit/s, ERROR-ACTIVE", ""),
        ([], "fault", "no interface can0; found none", "plug the adapter in, then: ip link set can0 up type can"),
        ([link(flags=())], "fault", "down", "ip link set can0 up type can bitrate 1000000 restart-ms 100"),
        ([link(bitrate=500_000)], "fault", "500000 bit/s", "ip link set can0 down; ip link set can0 up"),
        ([link(state="BUS-OFF")], "fault", "BUS-OFF", "switch the device's supply on, then: ip link set can0 down"),
        ([link(restart_ms=0)], "note", "stays off after a bus-off", "restart-ms 100"),
    ],
)
def test_every_state_of_an_interface_has_its_command(links, state, found, fix):
    (finding,) = can_interfaces(links, LAB)
    assert finding.state == state
    assert found in finding.found
    assert fix in finding.fix


def test_raw_skin_buses_are_looked_at_too():
    skin = dataclasses.replace(LAB.skin, source="raw_can", can_channels=("can1", "can2"), id_map="kit.csv")
    findings = list(can_interfaces([link()], dataclasses.replace(LAB, skin=skin)))
    assert [finding.what for finding in findings] == ["CAN can0", "CAN can1", "CAN can2"]
    assert [finding.state for finding in findings] == ["ok", "fault", "fault"]


def test_a_known_adapter_comes_with_its_command(tmp_path):
    port = tmp_path / "ttyUSB0"
    port.touch()
    finding = serial_port(str(port), 0x0403, 0x6015, "VScom")
    assert finding.state == "ok"
    assert finding.fix.endswith(f"slcand -o -s8 -t hw -S 3000000 {port} slcan0")
    assert serial_port(str(tmp_path / "gone"), None, None, "x").state == "note"


def slcan_on(channel: str) -> Rig:
    return dataclasses.replace(LAB, hand=HandConfig(can_interface="slcan", can_channel=channel))


def test_a_serial_adapter_that_is_not_there_or_not_ours_is_a_fault(tmp_path, monkeypatch):
    port = tmp_path / "ttyUSB0"
    (finding,) = can_interfaces([], slcan_on(str(port)))
    assert (finding.state, finding.found) == ("fault", f"no port {port}")
    assert 'can_channel = "usb"' in finding.fix
    port.touch()
    (finding,) = can_interfaces([], slcan_on(str(port)))
    assert (finding.state, finding.found) == ("ok", f"slcan on {port}")
    monkeypatch.setattr(doctor_devices.os, "access", lambda *_: False)
    (finding,) = can_interfaces([], slcan_on(str(port)))
    assert (finding.state, finding.found) == ("fault", "no permission")
    assert "usermod -aG dialout" in finding.fix


def test_a_skin_server_whose_host_is_no_name_is_a_fault():
    finding = skin_server("ws://.local:5000")
    assert (finding.state, finding.what) == ("fault", "skin server")


@pytest.mark.parametrize("model", ["allegro_v4_right", "allegro_v5_left_b"])
def test_a_hand_says_who_it_is_and_stays_without_power(runtime, monkeypatch, wait_factor, model):
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    monkeypatch.setattr(doctor_devices, "ANSWER_S", 0.3 * wait_factor)
    config = HandConfig(model=model, can_interface="skin_teleop_local", can_channel="hand")
    with LightHand(config) as twin:
        finding = hand(config)
        assert finding.state == "ok"
        assert "hottest joint 40 degC" in finding.found
        assert twin.device.hand.serial in finding.found
        wrong = hand(dataclasses.replace(config, model="allegro_v5_right_a"))
        assert wrong.state == "fault"
        assert "set hand.model" in wrong.fix
        assert not twin.device.hand.servo_on


def test_nobody_on_the_bus_is_a_fault(runtime, monkeypatch):
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    monkeypatch.setattr(doctor_devices, "ANSWER_S", 0.05)
    finding = hand(HandConfig(can_interface="skin_teleop_local", can_channel="hand"))
    assert (finding.state, finding.found) == ("fault", "no answer")


def test_the_skin_server_tells_its_models():
    url = f"ws://127.0.0.1:{free_port()}"
    assert skin_server(url).state == "fault"
    server = XelaServer(url, skin_layout())
    try:
        stop = threading.Event()

        def publish() -> None:
            while not stop.wait(0.01):
                server.publish(np.zeros((368, 3), np.uint16), np.zeros(368, np.float32), time.time_ns())

        thread = threading.Thread(target=publish)
        thread.start()
        finding = skin_server(url)
        stop.set()
        thread.join()
    finally:
        server.close()
    assert finding.state == "ok"
    assert "XR23AHRCPP (368 taxels)" in finding.found


def test_a_second_hand_and_skin_are_named_and_a_shared_channel_is_looked_at_once(runtime, monkeypatch):
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    monkeypatch.setattr(doctor_devices, "ANSWER_S", 0.05)
    rig = dataclasses.replace(load_rig("simulated_two_hands").on_free_ports(), world=None)
    found = {finding.what: finding for finding in devices(rig)}
    assert [what for what in found if what.startswith("CAN")] == ["CAN hand"]
    wanted = ("hand on hand", "second hand on hand", "skin server", "second skin server")
    assert [found[what].state for what in wanted] == ["fault"] * 4
    assert rig.skins["second_skin"].url in found["second skin server"].found
