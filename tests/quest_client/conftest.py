"""A real server and a real Chromium with an emulated Quest 3; the robot is a stand-in at the bus.

The production pages are used unchanged: IWER and the recorded hands are injected by the test.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from server import process
from server.client_files import ClientFiles
from server.invitations import ask_for_invitation
from skin_teleop.bus import CommandInbox, Publisher, endpoint
from skin_teleop.clock import Stamp
from skin_teleop.frames import decode_rows
from skin_teleop.messages import JointState, RecorderCommand, RecorderStatus, SkinFrame
from skin_teleop.rig import Rig, free_port, load_rig

CLIENT = Path(__file__).parents[2] / "quest_client"
IWER = CLIENT / "node_modules" / "iwer" / "build" / "iwer.min.js"
EMULATED_HEADSET = (Path(__file__).parent / "emulated_headset.js").read_text()
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
)
TOKEN = "a-test-token"
FIRST_BUTTON_M, TILT_RAD = np.array([-0.23, 1.03, -0.42]), -0.5
COLUMN_M, ROW_M = 0.115, 0.055
"""The plate in front of the operator: its top left button is Arm."""
INDEX_TIP = 9
FEW_FRAMES = 4
HEARD = """window.heard = {}; window.Worker = class extends Worker {
    constructor(...given) {
        super(...given);
        const keep = (message) => (window.heard[message.type] = message);
        this.addEventListener("message", ({ data }) => data.kind === "news" && keep(data.message));
    }
};"""
"""Keeps the newest message of every type that the page's worker passes on, for tests to look at."""
NO_DRAWING = """for (const draw of ["drawArrays", "drawArraysInstanced", "drawElements", "drawElementsInstanced"])
    WebGL2RenderingContext.prototype[draw] = () => {};"""
"""For tests that share the processor with a whole rig: without a graphics card drawing would take all of it."""


@pytest.fixture
def poll(wait_factor: float) -> Callable[[Callable[[], Any], str], Any]:
    def wait(condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + 15 * wait_factor
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited for {what}"
            time.sleep(0.01)
        return value

    return wait


class StandIn:
    """The robot, the skin and the recorder around a server that can be stopped and started again."""

    def __init__(self, runtime: Path, name: str) -> None:
        rig = load_rig(name)
        server = dataclasses.replace(rig.server, port=free_port(), operators=str(runtime / "operators"))
        self.rig: Rig = dataclasses.replace(rig, server=server)
        self.runtime = runtime
        self.touch_counts = 0.0
        self.rows: list[tuple[Any, str]] = []
        self.recorder_orders: list[RecorderCommand] = []
        self._pull = zmq.Context.instance().socket(zmq.PULL)
        self._pull.setsockopt(zmq.LINGER, 0)
        self._pull.bind(endpoint(runtime, "recorder.pull"))
        self._inboxes = [CommandInbox(runtime, name) for name in (*rig.hands, "recorder")]
        self._publishers = {name: Publisher(runtime, name) for name in ("hand", "skin", "recorder")}
        self._leaving = threading.Event()
        self._robot = threading.Thread(target=self._live)
        self._robot.start()
        self.start_server()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.rig.server.port}/"

    def start_server(self) -> None:
        self._stop = threading.Event()
        self._serving = threading.Thread(target=process.run, args=(self.rig, self.runtime, self._stop))
        (self.runtime / "server.ready").unlink(missing_ok=True)
        self._serving.start()
        while not (self.runtime / "server.ready").exists():
            assert self._serving.is_alive()
            time.sleep(0.01)

    def stop_server(self) -> None:
        self._stop.set()
        self._serving.join()

    def invite(self) -> str:
        return ask_for_invitation(self.url, TOKEN).token

    def say_recording(self) -> None:
        """The recorder tells that it records, without having been asked."""
        self._tell(RecorderStatus("recording", session="/sessions/one.rec"))

    def stream(self, name: str) -> list[Any]:
        return [row for row, stream in list(self.rows) if stream == name]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event.name, event.facts) for event in self.stream("events")]

    def close(self) -> None:
        self.stop_server()
        self._leaving.set()
        self._robot.join()
        for socket in (self._pull, *self._inboxes, *self._publishers.values()):
            socket.close()

    def _live(self) -> None:
        seq = 0
        while not self._leaving.wait(0.01):
            seq += 1
            self._publish(seq)
            while self._pull.poll(0):
                self.rows.extend(decode_rows(self._pull.recv()))
            for order in [o for inbox in self._inboxes for o in inbox.drain() if isinstance(o, RecorderCommand)]:
                self.recorder_orders.append(order)
                self._answer(order)

    def _publish(self, seq: int) -> None:
        bent = np.full(16, 0.45, np.float32)
        bent[[0, 4, 8]], bent[12] = 0.0, 0.9
        still = {"velocity": bent * 0, "target": bent, "torque_command": bent * 0, "target_seq": 0, "t_command": 0}
        state = JointState.stamped(Stamp.now(), seq, position=bent, **still)
        self._publishers["hand"].send(state, "allegro")
        flux = np.full((368, 3), 30000.0)
        for first in (0, 150, 300):
            flux[first : first + 24, 2] += self.touch_counts * np.linspace(0.2, 1, 24)
            flux[first : first + 24, 0] += self.touch_counts * 0.3
        frame = SkinFrame.stamped(Stamp.now(), seq, flux=flux.astype(np.uint16), age_ms=np.zeros(368, np.uint16))
        self._publishers["skin"].send(frame, "uskin")

    def _answer(self, order: RecorderCommand) -> None:
        match order.action:
            case "start":
                self.say_recording()
            case "stop":
                self._tell(RecorderStatus("idle", last_sealed="/sessions/one", unjudged=True))
            case "mark":
                self._tell(dataclasses.replace(self._recorder, marking=order.label if order.edge == "begin" else ""))
            case _:
                self._tell(dataclasses.replace(self._recorder, unjudged=False))

    def _tell(self, status: RecorderStatus) -> None:
        self._recorder = status
        self._publishers["recorder"].send(status)


@pytest.fixture
def robot(runtime: Path, request: pytest.FixtureRequest) -> Iterator[StandIn]:
    """The stand-in for the rig `simulated`, or for the one that a test names as its parameter."""
    if not ClientFiles().built:
        pytest.skip("needs the built client: run `make client` (Node 20)")
    (runtime / "pairing_token").write_text(TOKEN)
    robot = StandIn(runtime, getattr(request, "param", "simulated"))
    yield robot
    robot.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium fonts-liberation")
    if not IWER.is_file():
        pytest.skip("needs the emulated headset: run `npm ci` in quest_client (Node 20)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install '.[dev]'")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


class Headset:
    """A page on the emulated headset, and everything it asked of the network."""

    def __init__(self, browser: Any, robot: Any, trace: np.ndarray, draws: bool = True) -> None:
        self.robot = robot
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(viewport={"width": 480, "height": 320})
        if not draws:
            self.context.add_init_script(NO_DRAWING)
        self.context.add_init_script(IWER.read_text())
        self.context.add_init_script(EMULATED_HEADSET)
        self.context.add_init_script(HEARD)
        self.context.add_init_script(f"window.hand = window.emulated.rows = {json.dumps(trace.tolist())};")
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str = "") -> None:
        self.page.goto(f"{self.robot.url}{path}")

    def enter(self) -> None:
        self.open(f"#t={self.robot.invite()}")
        self.page.click("#enter:enabled")
        self.wait(lambda: self.do("window.emulated.frames > 3"), "the first frames")

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 15) -> Any:
        """Poll while the browser's own events are served."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited for {what}; page says {self.said()}; errors {self.errors}"
            self.page.wait_for_timeout(20)
        return value

    def touch(self, row: int, column: int) -> None:
        """Put the right index fingertip on a button of the plate for a few frames, and leave it there."""
        up = -ROW_M * row
        tip = FIRST_BUTTON_M + np.array([COLUMN_M * column, up * np.cos(TILT_RAD), up * np.sin(TILT_RAD)])
        self._show(f"[window.hand[0].map((joint, k) => k === {INDEX_TIP} ? {tip.tolist()} : joint)]")

    def take_hand_away(self) -> None:
        """Show the hand as it was at first, for a few frames."""
        self._show("window.hand")

    def push(self, row: int, column: int) -> None:
        """Put the right index fingertip on a button, then take it away."""
        self.touch(row, column)
        self.take_hand_away()

    def push_arm(self) -> None:
        """Push Arm as soon as it is awake, and wait until the rig is armed."""
        self.wait(lambda: self.said().startswith("Not armed"), "the server")
        self.push(0, 0)
        self.wait(lambda: "armed" in self.names(), "the arming")

    def names(self) -> list[str]:
        """Of all events so far."""
        return [name for name, _ in self.robot.events()]

    def _show(self, rows: str) -> None:
        self.do(f"emulated.rows = {rows}; emulated.frames = 0")
        self.wait(lambda: self.do(f"emulated.frames >= {FEW_FRAMES}"), "a few frames")

    def said(self) -> str:
        return f"{self.page.inner_text('#state')}: {self.page.inner_text('#cause')}"

    def do(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture
def headset_on() -> type[Headset]:
    """For tests that bring a rig of their own."""
    return Headset


@pytest.fixture
def headset(browser: Any, robot: StandIn, open_right_hand: np.ndarray) -> Iterator[Headset]:
    headset = Headset(browser, robot, np.repeat(open_right_hand[None], 200, axis=0))
    yield headset
    headset.context.close()


@pytest.fixture
def open_right_hand() -> np.ndarray:
    return open_hand()


def open_hand() -> np.ndarray:
    """(25, 3) m: a plausible open right hand 1.2 m above the floor, WebXR joint order."""
    points = np.zeros((25, 3))
    for finger, first in enumerate((5, 10, 15, 20)):
        for k, z in enumerate((0.03, 0.09, 0.13, 0.155, 0.175)):
            points[first + k] = (-0.025 + 0.02 * finger, -0.004 * k, -z)
    thumb = ((-0.03, -0.01, -0.03), (-0.05, -0.025, -0.055), (-0.06, -0.035, -0.08), (-0.065, -0.045, -0.1))
    points[1:5] = thumb
    return points + np.array([0.15, 1.2, -0.3])
