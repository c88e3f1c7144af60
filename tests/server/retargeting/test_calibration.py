"""A calibration measures reach, survives its file, and refuses what is not one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from server.operator_motion.human_hand import HandShape, hand_pose
from server.retargeting.calibration import THUMB_SHARE, calibrate, calibrate_segments, load_calibration, robot_reach_m
from server.retargeting.retargeter import Retargeter
from server.retargeting.tuning import Tuning
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import TIP_RADIUS_M, hand_model
from skin_teleop.kinematics import hand_posture

MODEL = hand_model("allegro_v4_right")
OPEN = HandShape(knuckle=(0,) * 4, middle=(0,) * 4, distal=(0,) * 4, thumb_flexion=(0, 0))
FIST = HandShape(knuckle=(80,) * 4, middle=(90,) * 4, distal=(60,) * 4)


def frames(shape: HandShape, count: int = 60, size: float = 1.0) -> np.ndarray:
    return np.tile(size * hand_pose(shape.angles(), np.zeros(3), np.eye(3))[:, :3], (count, 1, 1))


def test_the_scale_is_the_robots_reach_over_the_humans():
    measured = calibrate(frames(OPEN), MODEL, "p1")
    reached = np.array(measured.scale) * measured.reach_m
    np.testing.assert_allclose(reached, robot_reach_m(MODEL) * [1, 1, 1, THUMB_SHARE], rtol=1e-3)
    assert measured.quality == 1.0
    smaller = calibrate(frames(OPEN, size=0.9), MODEL, "p1")
    np.testing.assert_allclose(np.array(smaller.scale) / measured.scale, 1 / 0.9, rtol=1e-3)


def test_a_few_wild_frames_do_not_count():
    trace = frames(OPEN, 100)
    trace[:3] *= 1.3
    trace[3] = np.nan
    measured = calibrate(trace, MODEL, "p1")
    np.testing.assert_allclose(measured.scale, calibrate(frames(OPEN), MODEL, "p1").scale, rtol=1e-3)
    assert measured.frames == 99


def test_a_fist_and_rubber_bones_have_a_low_quality():
    assert calibrate(frames(FIST), MODEL, "p1").quality < 0.3
    rubber = frames(OPEN) * np.random.default_rng(0).uniform(0.6, 1.2, (60, 1, 1))
    assert calibrate(rubber, MODEL, "p1").quality < 0.7


def test_it_survives_its_file(tmp_path: Path):
    measured = calibrate(frames(OPEN), MODEL, "p1")
    measured.save(tmp_path / "p1.json")
    assert load_calibration(tmp_path / "p1.json") == measured


def test_what_is_not_a_calibration_is_refused(tmp_path: Path):
    path = tmp_path / "p1.json"
    with pytest.raises(ConfigError, match="next: skin-teleop calibrate"):
        load_calibration(path)
    path.write_text('{"schema": "skin_teleop.calibration/3"}')
    with pytest.raises(ConfigError, match=r"skin_teleop\.calibration/3"):
        load_calibration(path)
    calibrate(frames(OPEN), MODEL, "p1").save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scale": [9.0, 1.0, 1.0, 1.0]}))
    with pytest.raises(ConfigError, match="scale; found"):
        load_calibration(path)


def test_too_few_frames_and_odd_names_are_refused():
    with pytest.raises(TraceError, match="found: 5 usable of 5 frames"):
        calibrate(frames(OPEN, 5), MODEL, "p1")
    with pytest.raises(ConfigError, match="an operator's name"):
        calibrate(frames(OPEN), MODEL, "../p1")


def touching(distance_m: float, finger_tip: int = 9, count: int = 40) -> np.ndarray:
    """Frames whose thumb tip is brought to this distance from a fingertip."""
    trace = frames(HandShape(knuckle=(45,) * 4, middle=(45,) * 4), count)
    away = trace[0, 4] - trace[0, finger_tip]
    trace[:, 4] = trace[:, finger_tip] + distance_m * away / np.linalg.norm(away)
    return trace


def test_guided_touches_say_how_near_a_touch_looks_and_where_the_tips_meet():
    segments = {"open": frames(OPEN), "fist": frames(FIST), "touch_index": touching(0.023)}
    measured = calibrate_segments(segments, MODEL, "p1")
    assert measured.touch_m == (pytest.approx(0.023, abs=1e-4), None, None)
    assert measured.tuning().pinch_near_m == pytest.approx(0.027, abs=1e-4)
    assert measured.quality == 1.0
    index, thumb = (np.linalg.norm(segments["touch_index"][0, tip]) for tip in (9, 4))
    assert abs(measured.scale[3] * thumb - measured.scale[0] * index) < abs(
        calibrate(frames(OPEN), MODEL, "p1").scale[3] * thumb - measured.scale[0] * index
    )


def test_the_tips_of_a_touch_meet_only_with_this_operators_calibration():
    distance_m = 0.026
    segments = {"open": frames(OPEN), "touch_index": touching(distance_m)}
    measured = calibrate_segments(segments, MODEL, "p1")
    gaps = []
    for tuning in (Tuning(), measured.tuning()):
        q_rad = Retargeter(MODEL, measured.scale, tuning=tuning).solve(touching(distance_m)[0]).q_rad
        tips = hand_posture(MODEL, q_rad).tip_position_m
        gaps.append(float(np.linalg.norm(tips[0] - tips[3])) - 2 * TIP_RADIUS_M)
    assert gaps[0] > 0.004
    assert 0 <= gaps[1] <= 0.002


def test_a_touch_that_is_none_and_a_fist_that_stays_open_are_seen():
    away = calibrate_segments({"open": frames(OPEN), "touch_index": touching(0.05)}, MODEL, "p1")
    assert away.touch_m == (None, None, None)
    assert away.scale == calibrate(frames(OPEN), MODEL, "p1").scale
    assert calibrate_segments({"open": frames(OPEN), "fist": frames(OPEN)}, MODEL, "p1").quality == 0.5


def test_a_trace_without_marks_finds_its_touches():
    trace = np.concatenate([frames(OPEN), touching(0.012, 14)])
    measured = calibrate(trace, MODEL, "p1")
    assert measured.touch_m == (None, pytest.approx(0.012, abs=1e-4), None)
    assert measured.tuning() == Tuning()  # the usual 18 mm are enough for it


def test_calibrations_of_version_1_are_still_read(tmp_path: Path):
    path = tmp_path / "p1.json"
    calibrate(frames(OPEN), MODEL, "p1").save(path)
    old = json.loads(path.read_text()) | {"schema": "skin_teleop.calibration/1"}
    del old["touch_m"]
    path.write_text(json.dumps(old))
    stored = load_calibration(path)
    assert stored.touch_m == (None, None, None)
    assert stored.tuning() == Tuning()
