from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.presets import preset
from encoder.schedules import Schedules


@given(st.integers(1, 100_000))
def test_teacher_forgets_its_random_start_in_a_run_of_any_length(steps):
    schedules = Schedules(preset("demo"), steps)
    momenta = [schedules.teacher_momentum(step) for step in range(0, steps, max(1, steps // 50))]
    assert all(0.8 <= m <= 1 for m in momenta)
    assert momenta == sorted(momenta)
    if steps >= 50:
        kept = math.prod(schedules.teacher_momentum(step) for step in range(min(steps, 3000)))
        assert kept < 0.05


def test_long_runs_use_the_papers_momentum():
    schedules = Schedules(preset("tiny"), 1_000_000)
    assert schedules.teacher_momentum(0) == 0.994
    assert schedules.teacher_momentum(999_999) == 1.0


def test_paper_momentum_would_leave_the_teacher_at_its_start():
    """Why it is scaled: over 60 steps from 0.994 the teacher keeps 83 % of its random initialisation."""
    kept = math.prod(0.994 + 0.006 * step / 59 for step in range(60))
    assert kept == pytest.approx(0.83, abs=0.01)


def test_learning_rate_warms_up_and_falls():
    schedules = Schedules(dataclasses.replace(preset("tiny"), warmup_share=0.1), 1000)
    rates = [schedules.learning_rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[100] == max(rates) == pytest.approx(1e-4)
    assert rates[-1] == pytest.approx(1e-6)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_weight_decay_rises_and_temperature_ramps():
    schedules = Schedules(preset("tiny"), 1000)
    assert (schedules.weight_decay(0), schedules.weight_decay(999)) == pytest.approx((0.04, 0.4))
    assert schedules.teacher_temperature(0) == pytest.approx(0.04)
    assert schedules.teacher_temperature(10) == pytest.approx(0.055)
    assert schedules.teacher_temperature(20) == schedules.teacher_temperature(999) == pytest.approx(0.07)


def test_last_layer_rests_at_first():
    schedules = Schedules(preset("tiny"), 1000)
    assert [schedules.last_layer_frozen(step) for step in range(4)] == [True, True, False, False]
    assert Schedules(preset("demo"), 60).last_layer_frozen(0)


def test_one_step_is_a_run():
    schedules = Schedules(preset("demo"), 1)
    assert schedules.learning_rate(0) > 0
    assert schedules.teacher_momentum(0) == pytest.approx(0.8)
