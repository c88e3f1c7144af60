"""Two hands in one rig: each follows the operator's hand of its side, and what happens to one stops both."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.reader import Session, open_session
from drivers.allegro.scales import RAD_PER_COUNT
from drivers.simulated.light_hand import LightHand
from server.operator_client import OperatorClient
from server.operator_motion.gestures import gesture_trace
from skin_teleop.bus import CommandInbox, Latest
from skin_teleop.cli import hand_watch, simulate
from skin_teleop.cli.first_motion import confirm_first_motion
from skin_teleop.cli.restarting_rig import RestartingRig
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import ConfigError, ProcessDied
from skin_teleop.hand import hand_model
from skin_teleop.messages import HandCommand, HandHealth
from skin_teleop.rig import Rig, load_rig

HANDS = {"hand": "allegro", "second_hand": "allegro_left"}
FOLLOW = 2


def two_hands(folder: Path) -> Rig:
    return load_rig("simulated_two_hands").on_free_ports().with_recordings_in(folder)


def until(look: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningRig]:
    with RunningRig(two_hands(tmp_path)) as rig:
        yield rig


async def follow_for(running: RunningRig, done: Callable[[], bool], seconds: float) -> None:
    """Close and open both hands again and again, armed and recording, until `done`."""
    poses = gesture_trace("pinch").pose
    async with OperatorClient(running.operator_url, running.token) as client:
        assert client.hello is not None
        assert client.hello.both_hands
        await client.start_recording("pringle")
        await client.arm()
        deadline, k = time.monotonic() + seconds, 0
        while not done():
            assert time.monotonic() < deadline, "waited in vain for both hands to follow"
            await client.send_pose(poses[k % len(poses)], True)
            await asyncio.sleep(1 / 72)
            k += 1


class BothFollow:
    """True once both hands have said for a while that they follow."""

    def __init__(self, running: RunningRig, healths: int) -> None:
        self._news = {
            name: Latest(running.runtime, process, HandHealth, f"{name}_health") for process, name in HANDS.items()
        }
        self._heard = dict.fromkeys(self._news, 0)
        self._healths = healths

    def __call__(self) -> bool:
        for name, latest in self._news.items():
            health = latest.take()
            self._heard[name] += health is not None and health.state == FOLLOW
        return min(self._heard.values()) >= self._healths

    def close(self) -> None:
        for latest in self._news.values():
            latest.close()


def sealed_session(folder: Path) -> Session:
    (path,) = (path for path in folder.iterdir() if (path / "session.json").exists())
    session = open_session(path)
    assert session.status == "sealed"
    return session


def test_both_hands_follow_and_when_one_node_is_killed_both_are_made_safe(
    running: RunningRig, tmp_path: Path, wait_factor: float
) -> None:
    """The whole rig; the second hand's node dies by SIGKILL while both move."""
    both = BothFollow(running, healths=2)

    async def follow_until_killed() -> None:
        await follow_for(running, both, 30 * wait_factor)
        os.kill(running.pid("second_hand"), signal.SIGKILL)

    asyncio.run(follow_until_killed())
    both.close()

    def noticed() -> bool:
        running.check()
        return False

    died = r"the second_hand process of rig simulated_two_hands died; both hands are off.*exit code -9"
    with pytest.raises(ProcessDied, match=died):
        until(noticed, 10 * wait_factor, "the death is noticed")
    session = sealed_session(tmp_path)
    check_streams(session)
    check_motion(session)
    states = [facts for _, name, facts in session.events() if name == "hand_state"]
    assert {facts["device"] for facts in states if facts["to"] == "FOLLOW"} == set(HANDS.values())
    last = [facts for facts in states if facts["device"] == "allegro"][-1]
    assert last["to"] in ("HOLD", "RELAX", "READY", "OFF")  # told to stop; the end of its node switches it off


def check_streams(session: Session) -> None:
    rig = session.meta["rig"]
    assert (rig["second_hand"]["name"], rig["second_skin"]["layout"]) == ("allegro_left", "xela_ah_left")
    for stream in ("allegro", "uskin"):
        for name in (stream, f"{stream}_health", f"{stream}_left", f"{stream}_left_health"):
            assert session.streams[name].rows > 0, name
    for hand, wrist, y_m in (("allegro", "wrist", 0.0), ("allegro_left", "allegro_left_wrist", 0.4)):
        assert session.streams[f"{hand}_target"].rows == session.streams[wrist].rows > 0
        np.testing.assert_allclose(session.streams[wrist]["pose"][0, :3], [-0.16, y_m, 0.17], atol=1e-6)
    assert session.streams["hand_pose"]["valid"].min() == 1
    poses = session.streams["hand_pose"]["pose"]
    np.testing.assert_array_equal(poses[:, 0, :, 0], -poses[:, 1, :, 0])


def check_motion(session: Session) -> None:
    """The same hand in a mirror gives joints of a mirror, and each robot hand went where it was asked to go."""
    right, left = (hand_model(f"allegro_v4_{side}") for side in ("right", "left"))
    seqs, asked = ({}, {})
    for name in HANDS.values():
        target = session.streams[f"{name}_target"]
        seqs[name], asked[name] = target["pose_seq"], target["target"].astype(float)
    shared, first, second = np.intersect1d(*seqs.values(), return_indices=True)
    assert len(shared) > 20
    apart = asked["allegro_left"][second] - left.mirrored(asked["allegro"][first])
    assert np.abs(apart).max() < 0.02
    for name, model in (("allegro", right), ("allegro_left", left)):
        target, position = session.streams[name]["target"], session.streams[name]["position"]
        assert (target >= model.lower_rad - 1e-6).all()
        assert (target <= model.upper_rad + 1e-6).all()
        assert np.ptp(position, axis=0).max() > 0.2, name
        counts = position / RAD_PER_COUNT
        assert np.abs(counts - np.round(counts)).max() < 0.02


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RunningRig, dict[str, LightHand]]]:
    """The two supervised hand nodes alone, with two light hands on one bus in this process."""
    running = RunningRig(two_hands(tmp_path), tuple(HANDS))
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(running.runtime))
    with LightHand(running.rig.hands["hand"]) as first, LightHand(running.rig.hands["second_hand"]) as second, running:
        yield running, {"hand": first, "second_hand": second}


def is_off(twin: LightHand) -> bool:
    return not (twin.device.hand.servo_on or twin.device.hand.period.position_ms)


def test_the_killed_hand_and_the_other_one_end_without_power(
    nodes: tuple[RunningRig, dict[str, LightHand]], wait_factor: float
) -> None:
    running, twins = nodes
    until(lambda: all(twin.device.hand.servo_on for twin in twins.values()), 10 * wait_factor, "both are on")
    os.kill(running.pid("hand"), signal.SIGKILL)
    os.waitid(os.P_PID, running.pid("hand"), os.WEXITED | os.WNOWAIT)
    assert not is_off(twins["hand"])  # a dead node leaves its hand as it was
    with pytest.raises(ProcessDied, match=r"the hand process .* both hands are off"):
        running.check()
    until(lambda: all(is_off(twin) for twin in twins.values()), 5 * wait_factor, "both are off")
    assert not any(twin.device.hand.torque_nm.any() for twin in twins.values())


def test_a_second_node_that_hangs_is_killed_and_replaced(
    nodes: tuple[RunningRig, dict[str, LightHand]], monkeypatch: pytest.MonkeyPatch, wait_factor: float
) -> None:
    running, twins = nodes
    monkeypatch.setattr(hand_watch, "HUNG_AFTER_S", 1.5 * wait_factor)
    os.kill(running.pid("second_hand"), signal.SIGSTOP)

    def noticed() -> bool:
        running.check()
        return False

    with pytest.raises(ProcessDied, match="the second_hand process of rig simulated_two_hands died"):
        until(noticed, 10 * wait_factor, "the hanging node is noticed")
    until(lambda: all(is_off(twin) for twin in twins.values()), 5 * wait_factor, "both are off")


def test_both_hands_are_told_to_stop_when_the_server_dies(tmp_path: Path) -> None:
    rig = RestartingRig(two_hands(tmp_path))
    inboxes = [CommandInbox(rig.runtime, hand) for hand in HANDS]
    try:
        rig._make_hands_safe("server")
        for inbox in inboxes:
            assert inbox.wait(1.0)
            assert list(inbox.drain()) == [HandCommand("stop", "the server process died")]
    finally:
        for inbox in inboxes:
            inbox.close()
        rig.stop()


def test_a_first_motion_is_confirmed_once_and_ramps_both_hands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "ready")
    rig = confirm_first_motion(load_rig("simulated_two_hands"))
    assert [hand.first_motion for hand in rig.hands.values()] == [True, True]
    told = capsys.readouterr().out
    assert "first motion of allegro_v4_right on hand, id 0:" in told
    assert "first motion of allegro_v4_left on hand, id 1:" in told


def test_scripts_that_move_one_hand_refuse_a_rig_of_two() -> None:
    parser = argparse.ArgumentParser()
    simulate.configure(parser)
    options = parser.parse_args(["--rig", "simulated_two_hands", "--hours", "0.001", "--out", "nowhere"])
    with pytest.raises(ConfigError, match=r"found: two hands; allowed: one"):
        simulate.run(options)
