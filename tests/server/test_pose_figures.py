"""The figures of the link panel: how old poses are, and how many of them are new."""

from __future__ import annotations

import numpy as np
import pytest

from server.pose_age import ENOUGH, REMEMBERED, PoseAges
from server.pose_rates import PoseRates
from skin_teleop.clock import NS_PER_MS, NS_PER_S, mono_ns


def test_ages_are_told_from_twenty_poses_on():
    ages = PoseAges()
    for _ in range(ENOUGH - 1):
        ages.note(8 * NS_PER_MS)
    assert ages.median_and_p95_ms() is None
    ages.note(8 * NS_PER_MS)
    assert ages.median_and_p95_ms() == (8.0, 8.0)


def test_only_the_last_ages_count():
    ages = PoseAges()
    for _ in range(REMEMBERED):
        ages.note(900 * NS_PER_MS)
    for k in range(REMEMBERED):
        ages.note((k % 100 + 1) * NS_PER_MS)
    assert ages.median_and_p95_ms() == pytest.approx((50.5, 95.05), abs=0.2)


def test_a_repeated_pose_is_not_a_new_one():
    rates, now = PoseRates(), mono_ns()
    hand = np.zeros((25, 7), np.float32)
    for k in range(12):
        rates.note(hand + np.float32(k // 3), now)
    assert (rates.per_s, rates.distinct_per_s) == (12.0, 4.0)


def test_poses_of_more_than_a_second_ago_do_not_count():
    rates, now = PoseRates(), mono_ns()
    for k in range(5):
        rates.note(np.full((25, 7), k, np.float32), now - 2 * NS_PER_S)
    assert (rates.per_s, rates.distinct_per_s) == (0.0, 0.0)
