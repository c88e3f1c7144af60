from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path

import pytest

from skin_teleop.cli.doctor import examine
from skin_teleop.cli.main import main
from skin_teleop.rig import Rig, load_rig


def states(rig: Rig) -> dict[str, tuple[str, str]]:
    return {finding.what: (finding.state, f"{finding.found} {finding.fix}") for finding in examine(rig)}


def test_a_calm_machine_has_no_fault_for_the_simulated_rig(tmp_path: Path) -> None:
    found = states(load_rig("simulated").on_free_ports().with_recordings_in(tmp_path))
    assert [what for what, (state, _) in found.items() if state == "fault"] == []


def test_a_taken_port_is_a_fault_with_its_fix() -> None:
    rig = load_rig("simulated").on_free_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", rig.server.port))
        other.listen()
        state, text = states(rig)["server port"]
    assert state == "fault"
    assert "server.port" in text


def test_a_missing_can_interface_comes_with_the_command_that_brings_it_up() -> None:
    rig = dataclasses.replace(load_rig("simulated").on_free_ports(), world=None)
    rig = dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, can_interface="socketcan", can_channel="can7"))
    state, text = states(rig)["CAN can7"]
    assert state == "fault"
    assert "ip link set can7 up type can bitrate 1000000" in text


def test_a_silent_skin_server_is_a_fault() -> None:
    rig = dataclasses.replace(load_rig("simulated").on_free_ports(), world=None)
    state, text = states(rig)["skin server"]
    assert state == "fault"
    assert "xela_server" in text


def test_the_verb_writes_its_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = tmp_path / "doctor.json"
    main(["doctor", "--json", str(answer)])
    assert {"python", "packages", "disk"} <= {finding["what"] for finding in json.loads(answer.read_text())}
    assert "python" in capsys.readouterr().out
