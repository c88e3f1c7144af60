"""A guided calibration over a real socket: shown, measured, kept, used at once, found again after a restart."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from server import control
from server.access import subprotocols
from server.calibration_guide import STEPS
from server.control import CalibrationProgress, Refused
from server.newest import Newest
from server.operator_client import OperatorClient
from server.operator_motion.calibration_motion import calibration_trace
from server.protocol import POSE_SHAPE, RIGHT, Flag, PoseFrame, encode_pose_frame
from server.retargeting.calibration import Calibration, load_calibration
from server.retargeting.retargeter import Retargeter
from server.teleop import Teleop
from skin_teleop.hand import hand_model
from skin_teleop.messages import RecorderStatus
from skin_teleop.rig import load_rig

TOKEN = "a-test-token"
OPEN_ROWS = slice(40, 44)


class Page:
    """A page's socket: says things, sends poses, keeps what the server says of the calibration."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.progress: list[CalibrationProgress] = []
        self.refused: list[str] = []
        self.state, self.seq, self.acked = "", 0, 0
        self.hearing = asyncio.create_task(self.hear())

    async def hear(self) -> None:
        async for text in self.socket:
            message = control.parse_from_server(text)
            match message:
                case CalibrationProgress():
                    self.progress.append(message)
                case Refused():
                    self.refused.append(message.reason)
                case control.Ack():
                    self.acked = message.seq
                case control.Ping():
                    await self.say(control.Pong(message.id, 1000.0))
            self.state = getattr(message, "state", self.state)

    async def say(self, message: control.FromOperator) -> None:
        await self.socket.send(control.encode_control(message))

    async def pose(self, pose: np.ndarray, flags: Flag = Flag.RIGHT_VALID | Flag.VISIBLE) -> None:
        self.seq += 1
        both = np.zeros(POSE_SHAPE, np.float32)
        both[RIGHT] = pose
        frame = PoseFrame(self.seq, flags, 1000.0 + 14 * self.seq, 0.0, self.acked, both)
        await self.socket.send(encode_pose_frame(frame))

    async def until(self, step: str) -> CalibrationProgress:
        async with asyncio.timeout(20):
            while not (self.progress and self.progress[-1].step == step):
                await asyncio.sleep(0.005)
        return self.progress[-1]

    async def show(self) -> None:
        """Show every shape until the guide asks for the next one, as a person does."""
        trace = calibration_trace()
        for mark in (mark for mark in trace.marks if mark.edge == "begin"):
            row = trace.pose[round((mark.t_s + 0.5) * 72)]
            async with asyncio.timeout(20):
                while self.progress[-1].step == mark.label:
                    await self.pose(row)
                    await asyncio.sleep(1 / 72)


async def opened(served) -> Page:
    page = Page(await connect(served.url, subprotocols=subprotocols(TOKEN), proxy=None))
    async with asyncio.timeout(20):
        while not page.state:
            await asyncio.sleep(0.005)
    return page


def status(served) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.rig.server.port}/api/status") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_nothing_is_armed_while_a_calibration_is_being_loaded(runtime):
    (runtime / "operators").mkdir()
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, server=dataclasses.replace(rig.server, operators=str(runtime / "operators")))
    told: list[control.FromServer] = []
    used: list[str] = []
    loading = threading.Event()

    def use(_: Calibration | None) -> None:
        loading.wait(20)
        used.append(teleop.state.state.word)

    teleop = Teleop(rig, runtime, Newest(), use)
    try:
        teleop.open("test", told.append)
        teleop.receive_control('{"type":"operator","name":"anna"}')
        teleop.receive_control('{"type":"arm"}')
        assert teleop.state.state.word == "disarmed"
        assert isinstance(told[-1], Refused) and "a calibration is being measured or loaded" in told[-1].reason
        loading.set()
        while teleop.calibrating.running:
            teleop.tick()
        teleop.receive_control('{"type":"arm"}')
        assert (teleop.state.state.word, used) == ("armed", ["disarmed"])
    finally:
        loading.set()
        teleop.close()


def test_a_page_that_comes_while_a_calibration_runs_is_told_where_it_stands(served):
    async def operate() -> list[str]:
        page = await opened(served)
        await page.say(control.Calibrate())
        await page.until("open")
        url = served.url.replace("/operator", "/desk")
        async with connect(url, subprotocols=subprotocols(TOKEN), proxy=None) as desk:
            first = [control.parse_from_server(await desk.recv()) for _ in range(3)]
        await page.socket.close()
        return [type(message).__name__ for message in first] + [getattr(first[-1], "step", "")]

    assert asyncio.run(operate()) == ["Hello", "Recorder", "CalibrationProgress", "open"]


def stored(served, operator: str) -> Calibration:
    (path,) = (Path(served.rig.server.operators) / operator).iterdir()
    return load_calibration(path)


def test_a_guided_calibration_is_kept_and_used_at_once(served, poll):
    before = status(served)
    assert (before["operator"], before["calibration_quality"]) == ("anonymous", None)
    assert before["finger_scale"] == [served.rig.server.hand_scale] * 4
    assert before["operators"] == ["anonymous", "operator-1"]

    async def operate() -> list[CalibrationProgress]:
        page = await opened(served)
        await page.say(control.ChooseOperator("anna"))
        await page.until("done")
        page.progress.clear()
        await page.say(control.Calibrate())
        await page.until("open")
        await page.show()
        await page.until("done")
        for pose in calibration_trace().pose[OPEN_ROWS]:
            await page.pose(pose)
            await asyncio.sleep(0.02)
        await page.socket.close()
        return page.progress

    progress = asyncio.run(operate())
    steps = list(dict.fromkeys(news.step for news in progress))
    assert steps == [*STEPS, "measuring", "done"]
    done, kept = progress[-1], stored(served, "anna")
    assert (done.version, done.quality, done.steps_done) == (1, kept.quality, 5)
    assert kept.quality > 0.9 and kept.frames >= 60
    assert "anna: calibration 1, quality" in done.words
    for step in STEPS:
        shares = [news.progress for news in progress if news.step == step]
        assert shares == sorted(shares) and shares[0] < 0.2
    after = status(served)
    assert after["finger_scale"] == list(kept.scale)
    assert (after["operator"], after["calibration_version"]) == ("anna", 1)
    assert after["operators"] == ["anonymous", "anna", "operator-1"]
    poll(lambda: "disconnected" in served.event_names(), "the end")
    (event,) = [e for e in served.events() if e.name == "calibrated"]
    assert (event.facts["operator"], event.facts["version"]) == ("anna", 1)
    assert event.facts["scale"] == list(kept.scale)
    wanted = Retargeter(hand_model("allegro_v4_right"), kept.scale, tuning=kept.tuning())
    answer = wanted.solve(calibration_trace().pose[43, :, :3]).q_rad
    usual = (
        Retargeter(hand_model("allegro_v4_right"), served.rig.server.hand_scale)
        .solve(calibration_trace().pose[43, :, :3])
        .q_rad
    )
    last = served.targets()[-1].target
    assert np.abs(last - answer).max() < np.abs(last - usual).max()
    assert "engaged" not in served.event_names()


def test_a_recording_holds_the_calibration_it_was_driven_with(served, poll, tmp_path):
    Path(served.rig.server.operators, "anna").mkdir(parents=True)
    Calibration(
        "skin_teleop.calibration/2", "anna", "allegro_v4_right", (1.1, 1.2, 1.3, 1.0), (0.2,) * 4, 0.8, 90
    ).save(Path(served.rig.server.operators, "anna", "allegro_v4_right-0007.json"))

    async def operate() -> None:
        page = await opened(served)
        await page.say(control.ChooseOperator("anna"))
        assert (await page.until("done")).version == 7
        served.say(RecorderStatus("recording", session="s.rec"))
        await asyncio.to_thread(poll, lambda: served.event_names().count("calibrated") == 2, "the second event")
        await page.socket.close()

    asyncio.run(operate())
    events = [event.facts for event in served.events() if event.name == "calibrated"]
    assert [facts["version"] for facts in events] == [7, 7]
    assert events[1]["scale"] == [1.1, 1.2, 1.3, 1.0]
    assert status(served)["finger_scale"] == [1.1, 1.2, 1.3, 1.0]
    assert status(served)["session_s"] >= 0.0


def test_arming_ends_a_calibration_and_calibrating_disarms(served, poll, hand_pose):
    async def operate() -> list[str]:
        page = await opened(served)
        await page.say(control.Arm())
        for _ in range(5):
            await page.pose(hand_pose, Flag.RIGHT_VALID | Flag.VISIBLE | Flag.CLUTCH_LEFT)
        await asyncio.to_thread(poll, lambda: "engaged" in served.event_names(), "the engagement")
        await page.say(control.Calibrate())
        await page.until("open")
        assert page.state == "disarmed"
        await page.say(control.Arm())
        await page.until("cancelled")
        await page.say(control.Calibrate())
        await page.until("open")
        await page.say(control.StopCalibrating())
        await page.until("cancelled")
        await page.socket.close()
        return [news.step for news in page.progress]

    assert asyncio.run(operate())[-2:] == ["open", "cancelled"]
    names = served.event_names()
    assert names[names.index("engaged") :][:3] == ["engaged", "released", "disarmed"]
    assert "calibrated" not in names
    assert not Path(served.rig.server.operators).exists()


def test_a_closed_page_ends_its_calibration(served, poll):
    async def begin() -> None:
        page = await opened(served)
        await page.say(control.Calibrate())
        await page.until("open")
        await page.socket.close()

    async def come_back() -> list[str]:
        page = await opened(served)
        for pose in calibration_trace(0.2).pose[:60]:
            await page.pose(pose)
        async with asyncio.timeout(20):
            while page.acked < 60:
                await asyncio.sleep(0.005)
        await page.socket.close()
        return [news.step for news in page.progress]

    asyncio.run(begin())
    poll(lambda: "disconnected" in served.event_names(), "the first page's end")
    assert set(asyncio.run(come_back())) <= {"cancelled"}


@pytest.mark.parametrize("name", ["../up", "", "a b", ".x"])
def test_odd_names_are_refused_on_the_wire(served, name):
    async def operate() -> str:
        async with OperatorClient(served.url, TOKEN) as client:
            await client._send(json.dumps({"type": "operator", "name": name}))
            async with asyncio.timeout(20):
                while not client.refusals:
                    await asyncio.sleep(0.005)
            return client.refusals[0]

    assert "name" in asyncio.run(operate())
    assert status(served)["operator"] == "anonymous"
