"""The guide counts only what it asked for, passes over what it cannot see, and measures what was shown."""

from __future__ import annotations

import numpy as np
import pytest

from server.calibration_guide import GIVEN_UP_NS, HOLD_NS, PASSED_OVER_NS, STEPS, WORDS, CalibrationGuide
from server.operator_motion.calibration_motion import SHAPES, calibration_trace
from server.operator_motion.human_hand import hand_pose
from server.retargeting.calibration import MIN_FRAMES, calibrate_segments
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.hand import hand_model

FRAME_NS = 14 * NS_PER_MS
HANDS = {step: hand_pose(shape.angles(), np.zeros(3), np.eye(3))[:, :3] for step, shape in SHAPES.items()}


class Shown:
    """A guide that is shown one hand after another."""

    def __init__(self) -> None:
        self.guide = CalibrationGuide("p1")
        self.now_ns = 5 * NS_PER_S

    def show(self, hand: np.ndarray, for_ns: int) -> None:
        for _ in range(for_ns // FRAME_NS + 2):
            self.guide.add(hand, self.now_ns)
            self.now_ns += FRAME_NS


def test_the_whole_motion_is_followed_step_by_step():
    trace, guide, order = calibration_trace(), CalibrationGuide("p1"), []
    for pose, t_s in zip(trace.pose, trace.t_s):
        guide.add(pose[:, :3], round(t_s * NS_PER_S))
        if guide.step not in (None, *order):
            order.append(guide.step)
    assert guide.finished and tuple(order) == STEPS
    measured = calibrate_segments(guide.segments, hand_model("allegro_v4_right"), "p1")
    assert measured.quality > 0.9
    assert measured.frames >= 100
    np.testing.assert_allclose(measured.touch_m, 0.01, atol=0.002)


@pytest.mark.parametrize("step", STEPS)
def test_each_shape_counts_for_its_own_step_alone(step):
    shown = Shown()
    for earlier in STEPS[: STEPS.index(step)]:
        shown.show(HANDS[earlier], HOLD_NS[earlier])
    assert shown.guide.step == step
    for other in STEPS:
        if other != step and not (step == "open" and other.startswith("touch")):
            shown.show(HANDS[other], 3 * FRAME_NS)
            assert shown.guide.progress == 0.0, f"{other} counted as {step}"
    shown.show(HANDS[step], HOLD_NS[step] // 2)
    assert 0.3 < shown.guide.progress < 0.7
    shown.show(HANDS[step], HOLD_NS[step])
    assert shown.guide.step != step


def test_a_gap_without_the_hand_does_not_count_as_seen():
    shown = Shown()
    for _ in range(8):
        shown.show(HANDS["open"], 0)
        shown.now_ns += NS_PER_S
    assert shown.guide.step == "open"
    assert 0 < shown.guide.progress <= 8 * (100 + 14) / 1500


def test_a_slow_browser_must_show_enough_frames_of_the_open_hand():
    guide = CalibrationGuide("p1")
    for frame in range(MIN_FRAMES - 1):
        guide.add(HANDS["open"], frame * NS_PER_S // 11)
    assert guide.step == "open"
    guide.add(HANDS["open"], MIN_FRAMES * NS_PER_S // 11)
    assert guide.step == "fist"


def test_a_shape_that_is_not_recognised_is_passed_over_without_its_frames():
    shown = Shown()
    shown.show(HANDS["open"], HOLD_NS["open"])
    shown.show(HANDS["fist"], HOLD_NS["fist"] // 2)
    shown.show(HANDS["open"], PASSED_OVER_NS)
    assert shown.guide.step == "touch_index"
    assert set(shown.guide.segments) == {"open"}
    assert not shown.guide.given_up


def test_without_an_open_hand_it_gives_up():
    shown = Shown()
    shown.show(HANDS["fist"], GIVEN_UP_NS - NS_PER_S)
    assert shown.guide.step == "open" and not shown.guide.given_up
    shown.show(HANDS["fist"], 2 * NS_PER_S)
    assert shown.guide.given_up
    shown.show(HANDS["open"], 3 * HOLD_NS["open"])
    assert shown.guide.step == "open"


def test_every_step_has_words():
    assert set(WORDS) == set(STEPS) == set(HOLD_NS)
    assert len(set(WORDS.values())) == len(STEPS)
