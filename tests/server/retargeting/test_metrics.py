"""Each measure on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from server.retargeting import metrics
from skin_teleop.hand import hand_model

MODEL = hand_model("allegro_v4_right")


def tips(count: int = 4) -> np.ndarray:
    """(T, 4, 3) fingertips that never move, 100 mm apart along y."""
    return np.tile(np.array([[0.01, 0.1 * f, 0.2] for f in range(4)]), (count, 1, 1))


def test_errors_are_in_human_units():
    h, scale = tips(), np.full(4, 2.0)
    assert metrics.tip_error_human_mm(h, 2 * h, scale) == pytest.approx(0)
    assert metrics.tip_error_human_mm(h, 2 * h + [0.004, 0, 0], scale) == pytest.approx(2.0)


def test_direction_does_not_see_scale():
    h = np.tile([0.0, 0.0, 0.1], (3, 4, 1))
    assert metrics.direction_deg(h, 1.7 * h) == pytest.approx(0, abs=1e-5)
    assert metrics.direction_deg(h, np.tile([0.1, 0.0, 0.1], (3, 4, 1))) == pytest.approx(45)


def test_motion_counts_only_where_the_human_moves():
    h, r = tips(3), tips(3)
    h[1:, 0, 0] += 0.01
    r[1:, 0, 0] -= 0.02
    r[2, 1] += 0.05
    assert metrics.motion_cos(h, r) == pytest.approx(-1)
    assert np.isnan(metrics.motion_cos(tips(), tips()))


def test_pinches_true_and_false():
    h, r = tips(2), tips(2)
    h[0, 0] = h[0, 3] + [0.014, 0, 0]
    r[0, 0] = r[0, 3] + [0.025, 0, 0]
    r[1, 1] = r[1, 3] + [0.020, 0, 0]
    np.testing.assert_allclose(metrics.pinch_gaps_mm(h, r), [1.0])
    assert metrics.false_pinch_share(h, r) == 0.5


def test_limits_jumps_and_repeatability():
    q = np.tile(np.clip(np.zeros(16), MODEL.lower_rad, MODEL.upper_rad), (4, 1))
    assert metrics.limit_violation_share(MODEL, q) == 0
    q[1, 0] = MODEL.upper_rad[0] + 1e-3
    assert metrics.limit_violation_share(MODEL, q) == 0.25
    assert metrics.jump_count(q) == 0
    q[3, 5] += 0.6
    assert metrics.jump_count(q) == 1
    assert metrics.repeatability_rad_p95(q, q) == 0
    assert metrics.repeatability_rad_p95(q, q + 0.1) == pytest.approx(0.1)


def test_lag_is_found_and_jitter_is_of_still_frames():
    h, r = tips(200), tips(200)
    h[:, 0, 2] += 0.05 * np.sin(np.arange(200) / 9)
    r[:, 0, 2] += 0.05 * np.sin((np.arange(200) - 4) / 9)
    assert metrics.lag_frames(h, r) == 4
    q = np.zeros((200, 16))
    q[1::2] = 0.01
    assert metrics.jitter_rad(tips(200), q) == pytest.approx(0.01)
    assert np.isnan(metrics.jitter_rad(tips(3) + np.arange(3)[:, None, None], q[:3]))
