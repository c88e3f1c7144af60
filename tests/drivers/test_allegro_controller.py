"""The control law: it reaches targets smoothly, and no input whatever takes it out of its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers.allegro.controller import Controller, Drive
from drivers.allegro.interpolation import TargetInterpolator
from drivers.allegro.scales import hand_scale, pwm_limit, torque_limit_nm
from skin_teleop.clock import NS_PER_MS
from skin_teleop.hand import hand_model
from skin_teleop.rig import HandConfig

MODEL = hand_model("allegro_v4_right")
CONFIG = HandConfig()
SCALE = hand_scale("allegro_v4_right")
PERIOD_NS = 3 * NS_PER_MS
MAX_STEP_RAD = CONFIG.max_speed_rad_per_s * 0.003
START = MODEL.clamp(np.full(16, 0.3))
GOAL = MODEL.clamp(np.full(16, 0.8))

any_vector = arrays(np.float64, 16, elements=st.floats(allow_nan=True, allow_infinity=True, width=64))
plausible = arrays(np.float64, 16, elements=st.floats(-2.9, 2.9))


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.one_of(plausible, any_vector),
            st.none() | plausible | any_vector,
            st.sampled_from(Drive),
            st.integers(-(10**12), 10**12),
            st.integers(1, 5),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_no_input_takes_the_outputs_out_of_their_limits(cycles):
    controller, now_ns, before = Controller(CONFIG, MODEL, SCALE), 0, None
    for position, target, drive, elapsed_ns, periods in cycles:
        now_ns += elapsed_ns
        if target is not None:
            controller.aim(target, now_ns)
        control = controller.step(position, now_ns, drive, periods)
        assert (np.abs(control.wire.astype(int)) <= pwm_limit(None)).all()
        assert np.isfinite(control.velocity_rad_per_s).all()
        assert (control.command_rad >= MODEL.lower_rad).all()
        assert (control.command_rad <= MODEL.upper_rad).all()
        np.testing.assert_array_equal(control.torque_nm, control.wire / 1200)
        if drive in (Drive.FOLLOW, Drive.HOLD) and before is not None:
            assert (np.abs(control.command_rad - before) <= MAX_STEP_RAD + 1e-12).all()
        if drive is Drive.NONE:
            assert not control.wire.any()
        before = control.command_rad


def follow(controller: Controller, seconds: float, position: np.ndarray, target_every: int = 4) -> list[np.ndarray]:
    """Let the command run at a hand that does not move; returns the commands."""
    commands = []
    for cycle in range(round(seconds / 0.003)):
        now_ns = cycle * PERIOD_NS
        if cycle % target_every == 0:
            controller.aim(GOAL, now_ns)
        commands.append(controller.step(position, now_ns, Drive.FOLLOW).command_rad)
    return commands


def test_following_starts_where_the_hand_is_and_gets_to_the_target():
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.step(START, 0, Drive.DAMP)
    commands = follow(controller, 1.0, START)
    assert np.abs(commands[0] - START).max() <= 0.1 * MAX_STEP_RAD + 1e-12
    assert (np.abs(np.diff(commands, axis=0)) <= MAX_STEP_RAD + 1e-12).all()
    np.testing.assert_allclose(commands[-1], GOAL)


def test_a_moving_target_is_followed_evenly_between_its_samples():
    """Targets at 83 Hz on a ramp of 1 rad/s: after settling every 3 ms step is close to 3 mrad."""
    interpolator = TargetInterpolator(MODEL, MAX_STEP_RAD)
    interpolator.follow(np.zeros(16))
    steps = []
    for cycle in range(400):
        if cycle % 4 == 0:
            interpolator.aim(np.full(16, cycle * 0.003), cycle * PERIOD_NS)
        steps.append(interpolator.advance(cycle * PERIOD_NS)[1])
    np.testing.assert_allclose(steps[250:], 0.003, rtol=0.35)
    assert np.mean(steps[250:]) == pytest.approx(0.003, rel=0.02)


def test_hold_freezes_the_command_between_two_targets():
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.step(START, 0, Drive.DAMP)
    command = follow(controller, 0.3, START)[-1]
    for cycle in range(50):
        held = controller.step(START, 10**9 + cycle * PERIOD_NS, Drive.HOLD)
        np.testing.assert_array_equal(held.command_rad, command)
    assert held.torque_nm[1] > 0


def test_damping_only_opposes_motion():
    controller = Controller(CONFIG, MODEL, SCALE)
    for cycle in range(60):
        control = controller.step(START + 0.002 * cycle, cycle * PERIOD_NS, Drive.DAMP)
    expected = -0.002 / 0.003 * np.array([*CONFIG.damping_nm_s_per_rad * 3, *CONFIG.thumb_damping_nm_s_per_rad])
    np.testing.assert_allclose(control.torque_nm, expected, atol=1 / 1200)


@pytest.mark.parametrize("rate", [-1.5, 0.25, 3.0])
def test_the_velocity_estimate_has_no_bias(rate):
    controller = Controller(CONFIG, MODEL, SCALE)
    for cycle in range(60):
        position = np.full(16, rate * 0.003 * cycle)
        control = controller.step(position, cycle * PERIOD_NS, Drive.NONE)
    np.testing.assert_allclose(control.velocity_rad_per_s, rate, rtol=1e-9)


def test_a_skipped_cycle_does_not_look_like_speed():
    controller = Controller(CONFIG, MODEL, SCALE)
    for cycle in [*range(60), 62, 63]:
        position = np.full(16, 0.003 * cycle)
        control = controller.step(position, cycle * PERIOD_NS, Drive.NONE, 3 if cycle == 62 else 1)
    np.testing.assert_allclose(control.velocity_rad_per_s, 1.0, rtol=1e-9)


def test_stiffness_is_in_newton_metres_per_radian():
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.step(START, 0, Drive.DAMP)
    controller.step(START, PERIOD_NS, Drive.HOLD)
    for cycle in range(2, 40):
        control = controller.step(START - 0.05, cycle * PERIOD_NS, Drive.HOLD)
    expected = 0.05 * np.array([*CONFIG.stiffness_nm_per_rad * 3, *CONFIG.thumb_stiffness_nm_per_rad])
    np.testing.assert_allclose(control.torque_nm, expected, atol=1.5 / 1200)


def test_the_hardware_version_widens_the_limits():
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.step(START, 0, Drive.DAMP)
    far = np.full(16, -SCALE.range_rad)
    assert controller.step(far, PERIOD_NS, Drive.HOLD).wire[1] == 500
    controller = Controller(CONFIG, MODEL, hand_scale("allegro_v4_right", 0x0402))
    controller.step(START, 0, Drive.DAMP)
    np.testing.assert_allclose(controller.step(far, PERIOD_NS, Drive.HOLD).torque_nm, torque_limit_nm(0x0402))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.0])
def test_a_position_no_encoder_reports_gives_no_torque(bad):
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.step(START, 0, Drive.DAMP)
    position = START.copy()
    position[5] = bad
    assert not controller.step(position, PERIOD_NS, Drive.HOLD).wire.any()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_a_torque_share_lowers_every_limit(share):
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.torque_share = share
    controller.step(START, 0, Drive.DAMP)
    torque_nm = controller.step(np.full(16, -SCALE.range_rad), PERIOD_NS, Drive.HOLD).torque_nm
    np.testing.assert_allclose(torque_nm, share * SCALE.torque_limit_nm, atol=1 / 1200)


def test_after_a_pause_the_way_that_was_missed_is_no_speed():
    controller = Controller(CONFIG, MODEL, SCALE)
    controller.step(START, 0, Drive.DAMP)
    controller.forget_motion()
    assert not controller.step(START + 0.5, PERIOD_NS, Drive.DAMP).velocity_rad_per_s.any()
