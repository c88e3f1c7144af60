"""The guided calibration in the headset, pushed with a fingertip and shown by hands; and the operator beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from server.calibration_guide import STEPS
from server.operator_motion.calibration_motion import SHAPES
from server.operator_motion.human_hand import hand_pose
from server.retargeting.calibration import GOOD_QUALITY, load_calibration

WRIST_M = np.array([0.1, 1.25, -0.2])


@pytest.fixture
def headset(headset_on, browser, robot, open_right_hand) -> Iterator:
    """A page that does not draw, so that frames come fast."""
    page = headset_on(browser, robot, open_right_hand[None], draws=False)
    yield page
    page.context.close()


def test_calibrating_with_the_hands_alone(headset):
    headset.enter()
    headset.wait(lambda: report(headset), "the first report")
    headset.push(0, 4)  # the operator's name: from anonymous to the new one
    headset.wait(lambda: report(headset)["operator"] == "operator-1", "the operator")
    headset.push(1, 4)
    seen = []
    for step in STEPS:
        headset.wait(lambda step=step: progress(headset) == step, f"the step {step}", 30)
        seen.append(step)
        show(headset, hand_pose(SHAPES[step].angles(), WRIST_M, np.eye(3))[:, :3])
    headset.wait(lambda: progress(headset) in ("done", "failed"), "the result", 30)
    kept = Path(headset.robot.rig.server.operators) / "operator-1" / "allegro_v4_right-0001.json"
    assert tuple(seen) == STEPS
    assert progress(headset) == "done"
    assert load_calibration(kept).quality >= GOOD_QUALITY
    headset.wait(lambda: report(headset)["calibration_version"] == 1, "the calibration in use")
    assert report(headset)["finger_scale"] == list(load_calibration(kept).scale)
    assert headset.do("localStorage.getItem('skin-teleop operator')") == "operator-1"
    assert headset.errors == []


def test_a_desk_names_the_operator_and_sees_the_calibration(headset):
    headset.open(f"desk#t={headset.robot.invite()}")
    headset.wait(lambda: "not calibrated" in headset.page.inner_text("#operator-state"), "the operator's state")
    headset.page.fill("#operator-name", "anna")
    headset.page.click("#operator button:text('Use')")
    headset.wait(lambda: headset.page.inner_text("#operator-state").startswith("anna: not calibrated"), "the name")
    headset.page.fill("#operator-name", "../anna")
    headset.page.click("#operator button:text('Use')")
    assert headset.do("document.getElementById('operator-name').validity.patternMismatch")
    assert headset.page.is_disabled("#calibrate")  # nobody is in the seat


def show(headset, hand: np.ndarray) -> None:
    headset.do(f"window.emulated.rows = [{hand.tolist()}]")


def spied(headset, kind: str) -> dict:
    return headset.do(f"window.heard['{kind}'] ?? null")


def report(headset) -> dict:
    status = spied(headset, "status")
    return status["report"] if status else {}


def progress(headset) -> str:
    news = spied(headset, "calibration")
    return news["step"] if news else ""


def test_keys_give_the_emulated_hand_the_shapes_of_the_guide(browser, robot):
    page = browser.new_page(viewport={"width": 480, "height": 320})
    page.goto(f"{robot.url}emulator#t={robot.invite()}")
    page.click("#enter:enabled")
    page.keyboard.press("Digit2")
    fist = hand_pose(SHAPES["fist"].angles(), np.zeros(3), np.eye(3))[:, :3]
    for _ in range(500):
        page.wait_for_timeout(20)
        poses = robot.stream("hand_pose")
        shown = poses[-1].pose[1, :, :3] if poses else np.zeros((25, 3))
        if np.abs(reach(shown) - reach(fist)).max() < 1e-3:
            break
    page.close()
    np.testing.assert_allclose(reach(shown), reach(fist), atol=1e-3)


def reach(hand: np.ndarray) -> np.ndarray:
    """(25,) distances of all joints from the wrist: the same wherever the hand is."""
    return np.linalg.norm(hand - hand[0], axis=-1)
