"""The server's clock from one-way stamps: made-up clocks with known offset, drift and transit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivers.uskin.server_clock import LEAST_READINGS, STEP_NS, Reading, ServerClock
from skin_teleop.clock import ABSENT_NS, NS_PER_MS, NS_PER_S

EPOCH_NS = 1_700_000_000 * NS_PER_S


def seconds(
    clock: ServerClock, count: int, drift_ppm: float = 0.0, first_s: int = 0, set_by_ns: int = 0
) -> list[Reading]:
    """Broadcasts at 100 Hz with 0.2 ms of transit and up to 20 ms of queueing more; one reading a second."""
    random, readings = np.random.default_rng([7, first_s]), []
    for second in range(first_s, first_s + count):
        for tick in range(100):
            sent_ns = second * NS_PER_S + tick * 10 * NS_PER_MS
            arrived_ns = (
                sent_ns + 200_000 + int(random.exponential(3 * NS_PER_MS) if tick % 10 else random.integers(20_000))
            )
            clock.heard(EPOCH_NS + set_by_ns + sent_ns + round(sent_ns * drift_ppm / 1e6), arrived_ns)
        reading = clock.take()
        assert reading is not None
        readings.append(reading)
    return readings


@pytest.mark.parametrize("drift_ppm", [0.0, 40.0, -150.0])
def test_offset_and_drift_are_found_behind_the_queueing(drift_ppm: float) -> None:
    last = seconds(ServerClock(), 60, drift_ppm)[-1]
    assert last.drift_ppm == pytest.approx(drift_ppm, abs=1.0)
    assert abs(last.residual_ns) < 50_000
    expected_ns = EPOCH_NS - 200_000 + last.mono_ns * drift_ppm / 1e6
    assert last.device_ns - last.mono_ns == pytest.approx(expected_ns, abs=50_000)


def test_nothing_is_said_before_it_is_known() -> None:
    readings = seconds(ServerClock(), LEAST_READINGS + 1)
    assert [math.isnan(r.residual_ns) for r in readings] == [True] + [False] * LEAST_READINGS
    assert [math.isnan(r.drift_ppm) for r in readings] == [True] * LEAST_READINGS + [False]


def test_a_clock_that_is_set_begins_a_new_line() -> None:
    clock = ServerClock()
    seconds(clock, 10)
    after = seconds(clock, LEAST_READINGS + 1, first_s=10, set_by_ns=3600 * NS_PER_S)
    assert clock.steps == 1
    assert math.isnan(after[0].residual_ns)
    assert abs(after[-1].residual_ns) < 50_000


def test_a_busy_second_shows_as_residual_and_is_no_step() -> None:
    clock = ServerClock()
    seconds(clock, 10)
    clock.heard(EPOCH_NS + 10 * NS_PER_S, 10 * NS_PER_S + 30 * NS_PER_MS)
    reading = clock.take()
    assert reading is not None
    assert -STEP_NS < reading.residual_ns < -29 * NS_PER_MS
    assert clock.steps == 0


def test_a_silent_second_and_frames_without_a_stamp_give_nothing() -> None:
    clock = ServerClock()
    assert clock.take() is None
    clock.heard(ABSENT_NS, 5)
    assert clock.take() is None
