"""Traces into the page and out of it: public recordings reach the server joint by joint, and what was sent is kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from server.operator_client import OperatorClient
from server.protocol import RIGHT
from server.trace import load_trace

BEFORE_THE_OPERATOR_M = np.array([0.15, 1.2, -0.3], np.float32)
"""The recordings are given in the wrist's frame."""
ROWS_OF_EACH = 6
BYTES_OF_A_LEAK = 400
"""Less than a third of a frame: whatever keeps frames, or an object for each, is found."""


@pytest.fixture
def headset(browser, robot, headset_on, open_right_hand) -> Iterator:
    """A page that computes every picture and leaves out filling the pixels."""
    page = headset_on(browser, robot, open_right_hand[None], draws=False)
    yield page
    page.context.close()


@pytest.fixture
def public_hands(reference_data: Path) -> np.ndarray:
    """(T, 25, 3) float32 m: rows from every public recording of a hand, one recording after another."""
    rows = [
        np.load(path)["keypoints"][:: max(1, len(np.load(path)["keypoints"]) // ROWS_OF_EACH)][:ROWS_OF_EACH]
        for path in sorted((reference_data / "hands").glob("*.npz"))
    ]
    assert len(rows) > 10
    return np.concatenate(rows) + BEFORE_THE_OPERATOR_M


def test_public_recordings_drive_every_joint_of_the_page(headset, public_hands, wait_factor):
    headset.enter()
    seen: set[int] = set()
    for _ in range(5):  # a busy machine leaves out what is late: then the recordings are played again
        headset.do(f"emulated.frames = 0; emulated.rows = {public_hands.tolist()}")
        played = f"emulated.frames >= {len(public_hands) + 5}"
        headset.wait(lambda played=played: headset.do(played), "the end of the recordings", 30 * wait_factor)
        seen = rows_that_arrived(headset, public_hands)
        if len(seen) == len(public_hands):
            break
    assert len(seen) > 0.9 * len(public_hands)
    assert {row.valid.tolist()[RIGHT] for row in headset.robot.stream("hand_pose")} == {1}


def rows_that_arrived(headset, public_hands: np.ndarray) -> set[int]:
    """Which rows the stand-in got; every one that it got has each joint to a micrometre."""
    sent = np.stack([row.pose[RIGHT, :, :3] for row in headset.robot.stream("hand_pose")])
    error = np.abs(sent[:, None] - public_hands[None]).max(-1)  # (sent, rows, 25) m
    nearest = error.max(-1).argmin(1)
    played_only = error[np.arange(len(sent)), nearest].max(-1) < 1e-3
    assert error[np.arange(len(sent)), nearest][played_only].max(0).max() < 1e-6
    return set(nearest[played_only].tolist())


def test_what_the_page_saves_is_played_again_bit_for_bit(headset, poll, tmp_path, open_right_hand):
    rows = open_right_hand + np.linspace(0, 0.05, 40)[:, None, None]
    headset.enter()
    headset.do(f"emulated.frames = 0; emulated.rows = {rows.tolist()}")
    headset.wait(lambda: headset.do("emulated.frames >= 20"), "half of the motion")
    headset.do("emulated.pinch = true")
    headset.wait(lambda: headset.do("emulated.frames >= 45"), "the end of the motion")
    headset.wait(lambda: len(headset.robot.stream("hand_pose")) >= 40, "forty frames; the page leaves out what is late")
    headset.do("emulated.lost.right = true; emulated.frames = 0")
    headset.wait(lambda: headset.do("emulated.frames === 0"), "the lost hand")
    with headset.page.expect_download() as saving:
        headset.do("document.getElementById('trace').click()")
    saved = tmp_path / saving.value.suggested_filename
    saving.value.save_as(saved)
    headset.context.close()
    poll(lambda: "disconnected" in [name for name, _ in headset.robot.events()], "the page to leave its seat")
    trace = load_trace(saved)
    first = headset.robot.stream("hand_pose")[: len(trace.frames)]
    assert saved.suffix == ".frames"
    assert len(trace.frames) >= 40
    assert [frame.seq for frame in trace.frames] == [row.seq for row in first]
    assert [frame.t_capture_ns for frame in trace.frames] == [row.t_dev for row in first]

    headset.robot.rows.clear()
    replay = threading.Thread(target=lambda: asyncio.run(play(headset.robot, saved)))  # this one has a loop already
    replay.start()
    replay.join()
    poll(lambda: len(headset.robot.stream("hand_pose")) == len(first), "every frame")
    again = headset.robot.stream("hand_pose")
    assert [row.pose.tobytes() for row in again] == [row.pose.tobytes() for row in first]
    assert [row.valid.tolist() for row in again] == [row.valid.tolist() for row in first]
    assert "engaged" in [name for name, _ in headset.robot.events()], "the hold is part of the trace"


async def play(robot, saved: Path) -> None:
    async with OperatorClient(f"ws://127.0.0.1:{robot.rig.server.port}/ws/operator", "a-test-token") as client:
        await client.arm()
        await client.play(load_trace(saved))
        await client.acknowledged()


def test_the_page_does_not_grow_with_the_frames_it_sends(headset):
    headset.enter()
    headset.wait(lambda: len(headset.robot.stream("hand_pose")) > 150, "code that is compiled and caches that are full")
    before, frames = held_by(headset), headset.do("emulated.frames")
    later = []
    for more in (250, 300, 350, 400):
        headset.wait(lambda more=more: headset.do("emulated.frames") > frames + more, f"{more} frames more")
        later.append(held_by(headset))  # the engine's own caches come and go; what is kept is in every reading
    assert (min(later) - before) / 250 < BYTES_OF_A_LEAK


def held_by(headset) -> int:
    """Bytes that the page can still reach, after a collection: objects and the buffers behind them."""
    inspector = headset.context.new_cdp_session(headset.page)
    inspector.send("HeapProfiler.collectGarbage")
    usage = inspector.send("Runtime.getHeapUsage")
    inspector.detach()
    return int(usage["usedSize"] + usage.get("backingStorageSize", 0))
