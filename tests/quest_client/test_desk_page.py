"""The desk page in real Chromium: it watches, records and may hold the dead-man."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from server.operator_client import OperatorClient


@pytest.fixture
def desk(headset) -> Iterator:
    """The headset fixture's page, opened at the desk."""
    headset.open(f"desk#t={headset.robot.invite()}")
    headset.wait(lambda: headset.said().startswith("No operator yet"), "the desk page")
    return headset


def bright_pixels(desk) -> int:
    """Pixels of the pad traces in the colour of touch (#ffb454)."""
    return desk.do("""(() => { const canvas = document.getElementById('pads');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; let n = 0;
        for (let k = 0; k < data.length; k += 4)
            n += data[k] > 200 && data[k + 1] > 130 && data[k + 2] < 140 && data[k + 3] > 99;
        return n; })()""")


def test_contacts_are_drawn(desk):
    desk.page.wait_for_timeout(500)
    assert bright_pixels(desk) == 0
    desk.robot.touch_counts = 2500.0
    desk.wait(lambda: bright_pixels(desk) > 100, "the contacts")
    assert desk.errors == []


def test_recording_from_the_desk(desk):
    desk.wait(lambda: desk.page.inner_text("#recorder") != "no word yet", "the recorder")
    desk.page.select_option("#object", "bottle")
    desk.page.select_option("#action", "pressing")
    desk.page.click("#record")
    desk.wait(lambda: "recording one.rec" in desk.page.inner_text("#recorder"), "the recording")
    desk.page.click("#mark:enabled")
    desk.wait(lambda: len(desk.robot.recorder_orders) == 2, "the mark")
    desk.page.click("#record")
    desk.page.click("#discard:enabled")
    desk.wait(lambda: len(desk.robot.recorder_orders) == 4, "the verdict")
    start, mark, stop, discard = desk.robot.recorder_orders
    assert (start.action, start.object, start.plan) == ("start", "bottle", ("pressing",))
    assert (mark.action, mark.label, mark.edge) == ("mark", "pressing", "begin")
    assert (stop.action, discard.action) == ("stop", "discard")


def test_the_emergency_stop_stays_red_under_the_pointer(desk):
    def colour(button: str) -> str:
        return desk.do(f"getComputedStyle(document.getElementById('{button}')).backgroundColor")

    at_rest = colour("stop")
    desk.page.hover("#stop")
    assert colour("stop") == at_rest != colour("disarm")


def test_the_key_at_the_desk_is_a_dead_man(desk, open_right_hand):
    pose = np.zeros((25, 7), np.float32)
    pose[:, :3], pose[:, 6] = open_right_hand, 1.0
    leaving = threading.Event()

    async def operate() -> None:
        url = f"ws://127.0.0.1:{desk.robot.rig.server.port}/ws/operator"
        async with OperatorClient(url, "a-test-token") as client:
            await client.arm()
            while not leaving.is_set():
                await client.send_pose(pose, True, dead_man=False)
                await asyncio.sleep(0.02)

    operator = threading.Thread(target=lambda: asyncio.run(operate()))
    operator.start()
    try:
        desk.wait(lambda: "armed" in desk.names(), "the arming")
        desk.page.keyboard.down("Space")
        desk.wait(lambda: "engaged" in desk.names(), "the engagement")
        desk.page.keyboard.up("Space")
        desk.wait(lambda: "released" in desk.names(), "the release")
        desk.page.click("#stop")
        desk.wait(lambda: "emergency_stop" in desk.names() or desk.names()[-1] == "emergency_stop", "the stop")
    finally:
        leaving.set()
        operator.join()


def test_the_desk_invites_a_headset(desk):
    desk.page.click("#invite")
    desk.wait(lambda: desk.page.inner_text("#invitation").startswith("Code "), "the invitation")
    code = desk.page.inner_text("#invitation").split()[1].strip(",")
    assert len(code) == 6
    assert desk.do(
        f"fetch('/api/pair', {{method: 'POST', body: JSON.stringify({{token: '{code}'}})}}).then((a) => a.ok)"
    )
