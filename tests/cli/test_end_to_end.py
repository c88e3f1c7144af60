"""The whole chain in separate processes: a random hand goes in at the WebSocket and is found again in the session."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from dataset_tools.reader import open_session
from drivers.allegro.scales import RAD_PER_COUNT
from server.operator_client import OperatorClient
from skin_teleop.cli.main import main
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import AccessError, ProcessDied
from skin_teleop.hand import hand_model
from skin_teleop.rig import load_rig

RATE_HZ, SECONDS = 72.0, 4.0


def random_trace(folder: Path, seed: int) -> tuple[Path, np.ndarray]:
    """A hand nobody has seen: 25 joints that wander around a plausible rest pose."""
    rng = np.random.default_rng(seed)
    t = np.arange(0, SECONDS, 1 / RATE_HZ)
    finger, segment = (np.arange(25) - 1) // 5, (np.arange(25) - 1) % 5
    rest = np.stack([(finger - 2) * 0.02, np.full(25, 1.1), -0.33 - 0.022 * segment], -1)
    rest[0] = [0, 1.1, -0.3]
    pose = np.zeros((len(t), 25, 7), np.float32)
    wander = np.sin(2 * np.pi * rng.uniform(0.2, 0.8) * t[:, None, None] + rng.uniform(0, 6.28, (25, 3)))
    pose[..., :3] = rest + 0.006 * wander
    pose[..., 6] = 1
    path = folder / "trace.npz"
    np.savez(path, pose=pose, t=t)
    return path, pose


def eventually(look: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.05)
    return look()


def test_a_random_hand_is_found_again_in_the_session(tmp_path: Path) -> None:
    trace, pose = random_trace(tmp_path, seed=int.from_bytes(os.urandom(4)))
    answer = tmp_path / "answer.json"
    words = ["operate", str(trace), "--rig", "simulated", "--out", str(tmp_path / "out"), "--json", str(answer)]
    assert main(words) == 0
    told = json.loads(answer.read_text())
    streams = zarr.open(str(Path(told["session"]) / "session.zarr"), mode="r")["streams"]

    sent = {row.tobytes(): index for index, row in enumerate(pose)}
    received = streams["hand_pose"]["pose"][:, 1]
    order = [sent[row.tobytes()] for row in received]
    assert order == list(range(len(pose)))
    assert streams["hand_pose"]["valid"][:].tolist() == [[0, 1]] * len(pose)
    assert told["frames_rejected"] == {}

    model = hand_model("allegro_v4_right")
    target, position = streams["allegro"]["target"][:], streams["allegro"]["position"][:]
    assert np.ptp(target, axis=0).max() > 0.01
    assert (target >= model.lower_rad - 1e-6).all()
    assert (target <= model.upper_rad + 1e-6).all()
    counts = position / RAD_PER_COUNT
    assert np.abs(counts - np.round(counts)).max() < 0.02
    assert (np.diff(streams["allegro"]["t_mono"][:]) > 0).all()

    ticks = np.diff(streams["uskin"]["t_mono"][:])
    assert (ticks % 10_000_000 == 0).all()  # sample and hold on an exact 100 Hz grid
    flux = streams["uskin"]["flux"][:]
    assert 30_000 < np.median(flux[..., :2]) < 35_000
    assert 34_000 < np.median(flux[..., 2]) < 39_000
    for name in ("allegro_health", "uskin_health", "allegro_target", "wrist", "events", "truth"):
        assert streams[name]["t_mono"].shape[0] > 0, name
    assert open_session(told["session"]).status == "sealed"


@pytest.fixture
def running(tmp_path: Path):
    with RunningRig(load_rig("simulated").on_free_ports().with_recordings_in(tmp_path)) as rig:
        yield rig


def test_a_wrong_token_is_refused_by_the_running_rig(running: RunningRig) -> None:
    async def knock() -> None:
        async with OperatorClient(running.operator_url, "not-the-token"):
            pass

    with pytest.raises(AccessError, match="token"):
        asyncio.run(knock())


@pytest.mark.parametrize("victim", ["hand", "skin", "server", "world", "recorder"])
def test_a_dead_process_is_named_and_the_session_is_sealed(
    running: RunningRig, tmp_path: Path, wait_factor: float, victim: str
) -> None:
    async def record() -> None:
        async with OperatorClient(running.operator_url, running.token) as client:
            await client.start_recording("pringle")
            await client.arm()

    asyncio.run(record())
    time.sleep(0.5)
    os.kill(running.pid(victim), signal.SIGKILL)

    def found_dead() -> bool:
        try:
            running.check()
        except ProcessDied as error:
            assert f"the {victim} process of rig simulated died" in str(error)
            assert "exit code -9" in str(error)
            return True
        return False

    assert eventually(found_dead, 10 * wait_factor)
    sessions = [path for path in tmp_path.iterdir() if (path / "session.json").exists()]
    assert len(sessions) == 1
    session = open_session(sessions[0])
    assert session.status == "sealed"
    assert session.streams["allegro"].rows > 30


def test_a_lone_process_leaves_when_its_supervisor_is_killed(tmp_path: Path, wait_factor: float) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "skin_teleop.cli.main", "up", "--rig", "simulated", "--free-ports"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    for line in supervisor.stdout:
        if line.startswith("Ctrl-C"):
            break
    children = _children(supervisor.pid)
    assert len(children) == 5
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    assert eventually(lambda: not any(_alive(pid) for pid in children), 10 * wait_factor)


def test_up_stops_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    rig = subprocess.Popen(
        [sys.executable, "-m", "skin_teleop.cli.main", "up", "--rig", "simulated", "--free-ports"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rig.stdout is not None
    lines = []
    for line in rig.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    children = _children(rig.pid)
    rig.send_signal(signal.SIGINT)
    rest = rig.communicate()[0]
    assert rig.returncode == 0
    assert "the hand is off, recordings are sealed" in rest
    assert "hand       allegro: allegro_v4_right, simulated, id 0, driven by the right hand\n" in lines
    assert any(line.startswith("headset    http://127.0.0.1:") and "#t=" in line for line in lines)
    assert not any(_alive(pid) for pid in children)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
