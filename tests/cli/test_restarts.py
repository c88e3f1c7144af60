"""What is started again after a death, and what never is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataset_tools.reader import open_session
from server.operator_client import OperatorClient
from skin_teleop.bus import CommandInbox, Latest, Publisher
from skin_teleop.cli import restarts, supervisor
from skin_teleop.cli.restarting_rig import RestartingRig
from skin_teleop.cli.restarts import RecordingKeeper, RestartPolicy
from skin_teleop.errors import ProcessDied
from skin_teleop.messages import HandCommand, RecorderCommand, RecorderStatus, SkinFrame
from skin_teleop.rig import load_rig


def test_pauses_double_and_the_cap_holds_within_a_minute() -> None:
    policy = RestartPolicy(per_minute=6)
    assert [policy.pause_s("skin", 10.0 + k) for k in range(7)] == [0.5, 1, 2, 4, 8, 8, None]
    assert policy.pause_s("server", 16.0) == 0.5
    assert policy.pause_s("skin", 77.5) == 0.5


def test_restarts_of_a_process_that_hangs_at_each_are_used_up_too() -> None:
    policy, now_s, hung_s, pauses = RestartPolicy(per_minute=3), 0.0, 0.0, []
    while (pause_s := policy.pause_s("server", now_s, hung_s)) is not None:
        pauses.append(pause_s)
        hung_s = supervisor.START_TIMEOUT_S
        now_s += pause_s + hung_s
    assert pauses == [0.5, 1, 2]
    assert policy.pause_s("server", now_s + restarts.WINDOW_S) is not None, "a minute of serving forgives"


@pytest.mark.parametrize("name", ["hand", "world"])
def test_what_moves_is_never_started_again(name: str) -> None:
    assert RestartPolicy(per_minute=20).pause_s(name, 0.0) is None


def test_no_restart_where_none_is_allowed() -> None:
    assert RestartPolicy(per_minute=0).pause_s("skin", 0.0) is None


def until(look: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def test_a_recording_that_was_cut_off_begins_again_with_the_same_facts(
    runtime: Path, tmp_path: Path, wait_factor: float
) -> None:
    session = tmp_path / "2026_lab_1.rec"
    session.mkdir()
    meta = {"object": "mug", "plan": ["lift", "turn"], "operator": "p07"}
    (session / "session.json").write_text(json.dumps(meta))
    publisher, inbox, keeper = (
        Publisher(runtime, "recorder"),
        CommandInbox(runtime, "recorder"),
        RecordingKeeper(runtime),
    )
    status = Latest(runtime, "recorder", RecorderStatus)

    def told() -> bool:
        publisher.send(RecorderStatus("recording", session=str(session)))
        return status.take(10) is not None

    try:
        until(told, 5 * wait_factor, "the status arrived")
        keeper.died("recorder", -9, 0.5)
        keeper.tend()
        assert not inbox.wait(0.1)
        (runtime / "recorder.ready").touch()
        keeper.tend()
        assert inbox.wait(5 * wait_factor)
        again = RecorderCommand("start", str(tmp_path), "mug", ("lift", "turn"), "p07")
        assert list(inbox.drain()) == [again]
        keeper.tend()
        assert not inbox.wait(0.1)
    finally:
        for part in (publisher, inbox, keeper, status):
            part.close()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RestartingRig]:
    monkeypatch.setattr(restarts, "FIRST_PAUSE_S", 0.1)
    with RestartingRig(load_rig("simulated").on_free_ports().with_recordings_in(tmp_path)) as running:
        yield running


def kill(rig: RestartingRig, names: set[str], wait_factor: float) -> None:
    """Kill processes at once and watch as `up` does until others serve in their places."""
    before = {name: rig.pid(name) for name in names}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    returned: set[str] = set()

    def back() -> bool:
        rig.check()
        returned.update(rig.take_returned())
        return returned == names

    until(back, 30 * wait_factor, f"{names} are back")
    assert not any(rig.pid(name) == pid for name, pid in before.items())


def test_skin_recorder_and_server_come_back_and_a_dead_hand_ends_the_rig(
    rig: RestartingRig, tmp_path: Path, wait_factor: float
) -> None:
    async def record() -> None:
        async with OperatorClient(rig.operator_url, rig.token) as client:
            await client.start_recording("pringle", ("lift",), "p07")

    def sessions() -> list[Path]:
        return sorted(path for path in tmp_path.iterdir() if (path / "session.json").exists())

    asyncio.run(record())
    hand, skin = rig.pid("hand"), Latest(rig.runtime, "skin", SkinFrame, "uskin")
    kill(rig, {"skin"}, wait_factor)
    until(lambda: skin.take(10) is not None, 10 * wait_factor, "the new skin is heard")
    kill(rig, {"recorder", "server"}, wait_factor)

    def recording_again() -> bool:
        rig.check()
        return len(sessions()) == 2 and sessions()[0].suffix != ".rec"

    until(recording_again, 20 * wait_factor, "the first session is sealed and a second one begun")
    asyncio.run(record())
    assert rig.pid("hand") == hand
    skin.close()

    os.kill(hand, signal.SIGKILL)
    with pytest.raises(ProcessDied, match=r"the hand process of rig simulated died.*exit code -9"):
        until(lambda: rig.check() is not None, 10 * wait_factor, "the dead hand is noticed")
    first, second = (open_session(path) for path in sessions())
    assert (first.status, second.status) == ("sealed", "sealed")
    assert first.streams["uskin"].rows > 0
    assert [facts["process"] for _, name, facts in first.events() if name == "process_died"] == ["skin"]
    assert [facts["process"] for _, name, facts in second.events() if name == "process_died"] == ["recorder", "server"]
    assert (second.meta["object"], second.meta["plan"], second.meta["operator"]) == ("pringle", ["lift"], "p07")
    assert second.streams["allegro"].rows > 0


@pytest.mark.parametrize(
    ("name", "commands"), [("server", [HandCommand("stop", "the server process died")]), ("skin", [])]
)
def test_the_hand_is_told_to_stop_when_the_server_dies(name: str, commands: list[HandCommand]) -> None:
    rig = RestartingRig(load_rig("simulated"))
    inbox = CommandInbox(rig.runtime, "hand")
    dead = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    dead.wait()
    (rig.runtime / f"{name}.log").write_text("last words")
    rig._children = {name: dead}
    try:
        rig.check()
        inbox.wait(0.3)
        assert list(inbox.drain()) == commands
        assert rig.take_returned() == []
    finally:
        inbox.close()
        rig.stop()


Hanging = tuple[RestartingRig, list[subprocess.Popen[bytes]]]


@pytest.fixture
def hanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hanging]:
    """A rig of one process that died and whose successors never serve; the times have the ratio of the real ones."""
    assert supervisor.START_TIMEOUT_S >= restarts.WINDOW_S
    for module, constant in ((restarts, "FIRST_PAUSE_S"), (restarts, "WINDOW_S"), (supervisor, "START_TIMEOUT_S")):
        monkeypatch.setattr(module, constant, getattr(module, constant) / 400)
    rig, started = RestartingRig(load_rig("simulated").with_recordings_in(tmp_path)), []
    (rig.runtime / f"{request.param}.log").write_text("waits for its port")

    def spawn(name: str, program: str = "import time; time.sleep(60)") -> None:
        started.append(subprocess.Popen([sys.executable, "-c", program]))
        rig._children[name] = started[-1]

    monkeypatch.setattr(rig, "_spawn", spawn)
    spawn(request.param, "raise SystemExit(3)")
    yield rig, started
    rig.stop()


@pytest.mark.parametrize("hanging", ["server"], indirect=True)
def test_a_process_that_hangs_after_its_restart_is_killed_and_counts_as_dead(
    hanging: Hanging, wait_factor: float
) -> None:
    rig, started = hanging
    with pytest.raises(ProcessDied, match=r"the server process .*exit code -9; it said: waits for its port"):
        until(lambda: rig.check() is not None, 10 * wait_factor, "its restarts are used up")
    restarts_allowed = rig.rig.supervisor.restarts_per_minute
    assert [child.returncode for child in started] == [3] + [-signal.SIGKILL] * restarts_allowed


@pytest.mark.parametrize("hanging", ["skin"], indirect=True)
def test_a_skin_whose_server_is_away_dials_on(hanging: Hanging, wait_factor: float) -> None:
    rig, started = hanging

    def restarted() -> bool:
        rig.check()
        return len(started) == 2

    until(restarted, 10 * wait_factor, "it is started again")
    rig._returning["skin"] -= 10 * supervisor.START_TIMEOUT_S
    rig.check()
    assert started[-1].poll() is None
    assert rig.take_returned() == []
