"""The filter calms a resting hand and follows a moving one; the gate notices what no hand can do, per second."""

from __future__ import annotations

import numpy as np
import pytest

from server.retargeting.filter import LONGEST_GAP_S, SpeedAdaptiveFilter
from server.retargeting.tracking_gate import TrackingGate
from skin_teleop.clock import NS_PER_S

RATE_HZ = 72.0
IDENTITY = np.eye(3)


def tips(position_m: float) -> np.ndarray:
    return np.tile([0.0, 0.0, position_m], (4, 1))


def filtered(signal: np.ndarray, tip_speed_m_per_s: float = 0.0) -> np.ndarray:
    smooth = SpeedAdaptiveFilter()
    rows = ((np.full(16, value), tips(k / RATE_HZ * tip_speed_m_per_s), k / RATE_HZ) for k, value in enumerate(signal))
    return np.array([smooth.apply(*row)[0] for row in rows])


def low_pass(signal: np.ndarray, share: float = 0.2) -> np.ndarray:
    out = [signal[0]]
    for value in signal[1:]:
        out.append(out[-1] + share * (value - out[-1]))
    return np.array(out)


def test_at_rest_it_is_calmer_than_a_low_pass_of_0_2_however_much_the_joints_tremble():
    for tremble_rad in (0.002, 0.05):
        noise = np.random.default_rng(0).normal(0, tremble_rad, 2000)
        ours, theirs = (np.diff(f(noise)[200:]).std() for f in (filtered, low_pass))
        assert ours < 0.7 * theirs


def test_a_joint_that_turns_with_its_fingertip_is_delayed_by_less_than_one_frame():
    ramp = np.arange(200) * 1.5 / RATE_HZ  # 1.5 rad/s moves a fingertip 6 cm from its joint at 0.09 m/s
    delay_frames = (ramp - filtered(ramp, 0.09))[100:] * RATE_HZ / 1.5
    assert 0 < delay_frames.max() < 1.0
    assert ((ramp - low_pass(ramp))[100:] * RATE_HZ / 1.5).min() > 3.9


def test_only_the_finger_that_moves_is_opened():
    smooth = SpeedAdaptiveFilter()
    for k in range(20):
        moving = tips(0.0)
        moving[2] = [0, 0, 0.3 * k / RATE_HZ]
        out = smooth.apply(np.full(16, float(k)), moving, k / RATE_HZ)
    assert (out[8:12] > 18).all()
    assert (np.delete(out, np.s_[8:12]) < 15).all()


def test_it_starts_anew_after_a_pause_or_a_reset():
    smooth = SpeedAdaptiveFilter()
    smooth.apply(np.zeros(16), tips(0), 0.0)
    np.testing.assert_array_equal(smooth.apply(np.ones(16), tips(0.1), LONGEST_GAP_S + 0.01), np.ones(16))
    smooth.reset()
    np.testing.assert_array_equal(smooth.apply(np.zeros(16), tips(0), 0.3), np.zeros(16))


def test_a_repeated_time_changes_nothing():
    smooth = SpeedAdaptiveFilter()
    smooth.apply(np.zeros(16), tips(0), 1.0)
    np.testing.assert_array_equal(smooth.apply(np.ones(16), tips(0.1), 1.0), np.zeros(16))


def hand(tip_x_m: float) -> np.ndarray:
    points = np.zeros((25, 3))
    points[9] = [tip_x_m, 0, -0.17]
    return points


@pytest.mark.parametrize("rate_hz", [30.0, 72.0, 120.0])
def test_the_same_speed_is_judged_alike_at_every_rate(rate_hz):
    for speed, human in ((4.0, True), (8.0, False)):
        gate = TrackingGate()
        gate.fault(hand(0.0), IDENTITY, 0)
        found = gate.fault(hand(speed / rate_hz), IDENTITY, int(NS_PER_S / rate_hz))
        assert (found == "") == human, found
        assert human or "a fingertip moved at 8.0 m/s" in found


def test_a_lasting_leap_costs_one_frame_and_a_glitch_two():
    gate, frame_ns = TrackingGate(), int(NS_PER_S / RATE_HZ)
    leap = [0.0, 0.0, 0.12, 0.12, 0.12]
    assert [bool(gate.fault(hand(x), IDENTITY, k * frame_ns)) for k, x in enumerate(leap)] == [0, 0, 1, 0, 0]
    gate = TrackingGate()
    glitch = [0.0, 0.0, 0.12, 0.0, 0.0]
    assert [bool(gate.fault(hand(x), IDENTITY, k * frame_ns)) for k, x in enumerate(glitch)] == [0, 0, 1, 1, 0]


def test_a_jump_of_the_wrist_alone_is_not_its_business():
    gate = TrackingGate()
    gate.fault(hand(0.0), IDENTITY, 0)
    assert gate.fault(hand(0.0) + 0.5, IDENTITY, 1_000_000) == ""


def test_a_frame_that_is_no_number_is_forgotten():
    gate, frame_ns = TrackingGate(), int(NS_PER_S / RATE_HZ)
    places = [0.0, np.nan, np.nan, 0.001, 0.2]
    found = [gate.fault(hand(x), IDENTITY, k * frame_ns) for k, x in enumerate(places)]
    assert [bool(why) for why in found] == [False, False, False, False, True]
    assert "moved at 14.3 m/s" in found[-1]
