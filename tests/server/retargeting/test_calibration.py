"""A calibration measures reach, survives its file, and refuses what is not one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from server.operator_motion.human_hand import HandShape, hand_pose
from server.retargeting.calibration import calibrate, load_calibration, robot_reach_m
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import hand_model

MODEL = hand_model("allegro_v4_right")
OPEN = HandShape(knuckle=(0,) * 4, middle=(0,) * 4, distal=(0,) * 4, thumb_flexion=(0, 0))
FIST = HandShape(knuckle=(80,) * 4, middle=(90,) * 4, distal=(60,) * 4)


def frames(shape: HandShape, count: int = 60, size: float = 1.0) -> np.ndarray:
    return np.tile(size * hand_pose(shape.angles(), np.zeros(3), np.eye(3))[:, :3], (count, 1, 1))


def test_the_scale_is_the_robots_reach_over_the_humans():
    measured = calibrate(frames(OPEN), MODEL, "p1")
    np.testing.assert_allclose(np.array(measured.scale) * measured.reach_m, robot_reach_m(MODEL), rtol=1e-3)
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
    path.write_text('{"schema": "skin_teleop.calibration/2"}')
    with pytest.raises(ConfigError, match=r"skin_teleop\.calibration/2"):
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
