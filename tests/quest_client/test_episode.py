"""A user's whole episode, in the page, against all the processes of a simulated rig; nothing stands in for anything."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from dataset_tools.events import marked_spans
from dataset_tools.reader import Session, open_session
from server.calibration_guide import STEPS
from server.client_files import ClientFiles
from server.invitations import ask_for_invitation
from server.operator_motion.calibration_motion import SHAPES
from server.operator_motion.demo_motion import RATE_HZ, demo_trace
from server.operator_motion.human_hand import hand_pose
from server.protocol import RIGHT
from server.retargeting.calibration import GOOD_QUALITY
from skin_teleop.bus import Latest
from skin_teleop.cli.restarting_rig import RestartingRig
from skin_teleop.messages import RecorderStatus
from skin_teleop.rig import load_rig

BUTTONS = {"Arm": (0, 0), "object": (0, 1), "action": (0, 2), "Record": (0, 3), "Mark": (1, 1), "Keep": (1, 2),
           "Discard": (1, 3), "operator": (0, 4), "Calibrate": (1, 4)}  # fmt: skip
"""Row and column on the plate in front of the operator."""
ABOVE_THE_BUTTONS = np.array([0.1, 1.25, -0.2])
ROW_MS = 1000 * 4 / RATE_HZ
"""Every fourth row of a motion, at its own speed or slower."""


FOLLOWS = "The robot follows you"


class SimulatedRobot:
    """A simulated rig in processes of its own, whose server comes back when it dies."""

    def __init__(self, running: RestartingRig) -> None:
        self.running = running
        self.url = f"http://localhost:{running.rig.server.port}/"
        self._statuses = Latest(running.runtime, "recorder", RecorderStatus)
        self._status = RecorderStatus("idle")

    def invite(self) -> str:
        return ask_for_invitation(self.url, self.running.token).token

    @property
    def recorder(self) -> RecorderStatus:
        self._status = self._statuses.take() or self._status
        return self._status

    def close(self) -> None:
        self._statuses.close()


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedRobot]:
    if not ClientFiles().built:
        pytest.skip("needs the built client: run `make client` (Node 20)")
    rig = load_rig("simulated").on_free_ports().with_recordings_in(tmp_path_factory.mktemp("sessions"))
    server = dataclasses.replace(rig.server, operators=str(tmp_path_factory.mktemp("operators")))
    with RestartingRig(dataclasses.replace(rig, server=server)) as running:
        robot = SimulatedRobot(running)
        yield robot
        robot.close()


@pytest.fixture(scope="module")
def squeeze() -> np.ndarray:
    """(T, 25, 7) of a right hand that reaches for the can and squeezes it: every fourth row of the demo's motion."""
    trace = demo_trace()
    return trace.pose[(trace.t_s >= 2.0) & (trace.t_s < 7.7)][::4]


class Operator:
    """What a person with the headset on does, and sees."""

    def __init__(self, page, wait_factor: float) -> None:
        self.page = page
        self.patience_s = 20 * wait_factor

    def wait(self, condition, what: str):
        return self.page.wait(condition, what, self.patience_s)

    def sees(self, title: str) -> None:
        self.wait(lambda: self.page.said().startswith(title), title)

    def push(self, button: str) -> None:
        """Put the right index fingertip on a button for a few frames, then take it away."""
        self.page.push(*BUTTONS[button])

    def push_until(self, button: str, done) -> None:
        """Push again until it had an effect: a button sleeps until its page has heard of the recorder's news."""
        for _ in range(10):
            self.push(button)
            self.page.page.wait_for_timeout(300)
            if done():
                return
        pytest.fail(f"{button} had no effect")

    def play(self, rows: np.ndarray) -> None:
        self.page.do(f"emulated.frames = 0; emulated.rowMs = {ROW_MS}; emulated.rows = {rows.tolist()}")
        self.wait(lambda: self.page.do(f"emulated.frames >= {len(rows)}"), "the end of the motion")
        self.page.do("emulated.rowMs = 0")

    def drive(self, rows: np.ndarray) -> None:
        """Hold and move; where a busy machine was silent for 100 ms and the robot let go, once more from the start."""
        for _ in range(3):
            self.hold(True)
            self.sees(FOLLOWS)
            self.play(rows)
            if self.page.said().startswith(FOLLOWS):
                return
            self.hold(False)
            self.sees("Armed")
            self.play(rows[:1])

    def calibrate(self) -> None:
        """Take a new name, and show every shape that the ring asks for."""
        self.wait(lambda: self.heard("status", "report.operator") == "anonymous", "the first report")
        self.push("operator")
        self.wait(lambda: self.heard("status", "report.operator") == "operator-1", "the new operator")
        self.push("Calibrate")
        for step in STEPS:
            self.wait(lambda step=step: self.heard("calibration", "step") == step, f"the step {step}")
            shape = hand_pose(SHAPES[step].angles(), ABOVE_THE_BUTTONS, np.eye(3))
            self.page.do(f"emulated.rows = [{shape.tolist()}]")
        self.wait(lambda: self.heard("calibration", "step") in ("done", "failed"), "the calibration's end")
        assert self.heard("calibration", "step") == "done", self.heard("calibration", "words")
        self.page.take_hand_away()

    def heard(self, kind: str, field: str):
        """A field of the newest message of a kind that the page heard of the server."""
        return self.page.do(f"window.heard['{kind}']?.{field}")

    def hold(self, held: bool) -> None:
        """Pinch thumb and middle finger of the left hand, or let go."""
        self.page.do(f"window.emulated.pinch = {'true' if held else 'false'}")


@pytest.fixture
def operator(browser, robot, headset_on, squeeze, wait_factor) -> Iterator[Operator]:
    page = headset_on(browser, robot, squeeze[:1], draws=False)
    page.enter()
    yield Operator(page, wait_factor)
    page.context.close()


def recording(operator: Operator, robot: SimulatedRobot) -> None:
    """Push Record and wait for the countdown and the recorder."""
    operator.push("Record")
    operator.wait(lambda: robot.recorder.state == "recording", "the recording")


def stopped(operator: Operator, robot: SimulatedRobot) -> Session:
    before = robot.recorder.last_sealed
    operator.push("Record")
    operator.wait(lambda: robot.recorder.last_sealed != before and robot.recorder.state == "idle", "the seal")
    return open_session(robot.recorder.last_sealed)


def test_a_users_first_episode(operator, robot, squeeze, browser, headset_on):
    desk = headset_on(browser, robot, squeeze[:1], draws=False)
    desk.open(f"desk#t={robot.invite()}")
    operator.calibrate()
    operator.push("Arm")
    operator.sees("Armed")
    operator.push("object")
    operator.push("object")
    operator.push("action")
    recording(operator, robot)
    desk.wait(lambda: "recording" in desk.page.inner_text("#recorder"), "the pages to know", operator.patience_s)
    operator.push("Mark")
    assert touch_drawn(desk) == 0
    operator.drive(squeeze)
    desk.wait(lambda: touch_drawn(desk) > 100, "contacts on the desk page", operator.patience_s)
    operator.hold(False)
    operator.sees("Armed")
    operator.push("Mark")
    session = stopped(operator, robot)
    operator.push_until("Keep", lambda: "kept" in open_session(session.path).meta["notes"])

    assert (session.status, session.meta["object"], session.meta["plan"]) == ("sealed", "bottle", ["slide"])
    assert session.meta["operator"] == "operator-1"
    calibrated = [facts for _, name, facts in session.events() if name == "calibrated"]
    assert [(facts["operator"], facts["version"]) for facts in calibrated] == [("operator-1", 1)]
    assert calibrated[0]["quality"] >= GOOD_QUALITY
    spans = marked_spans(session.events(), session.end_ns)
    assert [(span.label, span.closed) for span in spans] == [("slide", True)]
    holds_the_motion(session, squeeze)
    fingers_closed_and_felt_it(session)
    assert operator.page.errors == [] and desk.errors == []
    for page in (operator.page, desk):
        hosts = {urlsplit(url).netloc for url in page.requests if not url.startswith(("data:", "blob:"))}
        assert hosts == {urlsplit(robot.url).netloc}
    desk.context.close()


def test_a_discarded_episode_survives_a_killed_server_and_lies_in_the_trash(operator, robot):
    recording(operator, robot)
    os.kill(robot.running.pid("server"), signal.SIGKILL)

    def is_back() -> bool:
        robot.running.check()
        return "server" in robot.running.take_returned()

    operator.wait(is_back, "the server to come back")
    operator.sees("Not armed")
    assert operator.page.do("document.body.classList.contains('immersive')")
    operator.push("Arm")
    operator.sees("Armed")
    session = stopped(operator, robot)
    seqs = session.streams["hand_pose"]["seq"]
    restarts = np.flatnonzero(np.diff(seqs.astype(np.int64)) <= 0)
    assert len(restarts) == 1 and seqs[restarts[0] + 1] == 1
    folder = Path(robot.running.rig.recorder.folder)
    trashed = folder / "trash" / session.path.name
    operator.push_until("Discard", trashed.is_dir)
    assert open_session(trashed).streams["hand_pose"].rows == len(seqs)
    assert not session.path.exists()


def holds_the_motion(session: Session, played: np.ndarray) -> None:
    """The poses in the session are the rows of the last play, in order, at most a tenth replaced by newer ones."""
    sent = session.streams["hand_pose"]["pose"][:, RIGHT]
    distance = np.abs(sent[:, None, :, :3] - played[None, :, :, :3]).max((2, 3))
    nearest, error = distance.argmin(1), distance.min(1)
    moving = (error < 1e-6) & (nearest > 0) & (nearest < len(played) - 1)
    rows = nearest[moving]
    last_play = rows[np.flatnonzero(np.diff(rows, prepend=len(played)) < 0)[-1] :]
    assert len(set(last_play.tolist())) > 0.9 * (len(played) - 2)
    turned = np.abs(np.abs((sent[moving][..., 3:] * played[rows][..., 3:]).sum(-1)) - 1)
    assert turned.max() < 1e-6


def fingers_closed_and_felt_it(session: Session) -> None:
    """While the robot followed, its fingers closed, and pads that were at rest before felt the can."""
    [engaged] = [t for t, name, _ in session.events() if name == "engaged"][:1]
    joints, skin = session.streams["allegro"], session.streams["uskin"]
    before = joints["position"][joints.t_mono < engaged][-1]
    bent = joints["position"][joints.t_mono > engaged].max(0) - before
    assert (bent[[1, 2, 5, 6, 9, 10]] > 0.4).all()
    flux = skin["flux"].astype(np.int32)
    rest = np.median(flux[skin.t_mono < engaged], axis=0)
    pressed = (np.abs(flux[skin.t_mono > engaged] - rest) > 300).any((0, 2))
    assert 5 <= pressed.sum() < 368


def touch_drawn(desk) -> int:
    """Pixels of the pad traces in the colour of touch (#ffb454)."""
    return desk.do("""(() => { const canvas = document.getElementById('pads');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; let n = 0;
        for (let k = 0; k < data.length; k += 4)
            n += data[k] > 200 && data[k + 1] > 130 && data[k + 2] < 140 && data[k + 3] > 99;
        return n; })()""")
