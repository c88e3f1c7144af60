from __future__ import annotations

import numpy as np
import pytest

from encoder.benchmark.scores import DRAWS, drawn_scores, draws_of, interval, score, sums_of

RECORDING = np.repeat([0, 1, 2, 3, 4], 20)


def test_explained_variance_from_sums_equals_the_formula():
    rng = np.random.default_rng(0)
    truth = rng.normal(3, [1, 5], (100, 2))
    answer = truth + rng.normal(0, 1, (100, 2))
    sums = sums_of("amount", truth, answer, RECORDING)
    assert sums.shape == (5, 7)
    wanted = 1 - ((truth - answer) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum()
    assert score("amount", sums.sum(0)) == pytest.approx(wanted)
    assert np.isnan(score("amount", sums_of("amount", np.ones((4, 1)), np.zeros((4, 1)), np.zeros(4)).sum(0)))


def test_recall_of_classes_by_hand():
    truth = np.eye(3)[[0, 0, 0, 1]]
    answer = np.eye(3)[[0, 0, 1, 1]]
    sums = sums_of("class", truth, answer, np.zeros(4)).sum(0)
    assert score("class", sums) == pytest.approx((2 / 3 + 1) / 2)  # the third class does not occur


def test_flags_need_both_answers_to_occur():
    truth = np.array([[1, 0], [0, 0], [0, 0], [0, 0]], float)
    answer = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], float)
    assert score("flags", sums_of("flags", truth, answer, np.zeros(4)).sum(0)) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(score("flags", sums_of("flags", truth[:, 1:], answer[:, 1:], np.zeros(4)).sum(0)))


def test_draws_keep_the_number_of_recordings_and_begin_with_each_once():
    draws = draws_of(7)
    assert draws.shape == (DRAWS + 1, 7)
    assert draws[0].tolist() == [1] * 7
    assert (draws.sum(1) == 7).all()
    np.testing.assert_array_equal(draws, draws_of(7))


def test_whole_recordings_are_drawn_not_windows():
    """Windows of one recording all err alike: the interval is as wide as for five independent numbers."""
    truth = np.tile([0.0, 1.0], 50)[:, None]
    answer = np.where(RECORDING[:, None] < 2, 0.5, truth)
    drawn = drawn_scores("amount", sums_of("amount", truth, answer, RECORDING)[None, None], draws_of(5))
    found = interval(drawn)
    assert found.value == pytest.approx(0.6)
    assert found.low == pytest.approx(0.2, abs=0.01)
    assert found.high == pytest.approx(1.0, abs=0.01)


def test_paired_differences_are_narrower_than_their_terms():
    """Two rows that share what is hard in a recording differ by the same amount in every draw."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(100, 1))
    hard = rng.normal(0, np.array([0.1, 0.2, 0.5, 0.8, 1.0])[RECORDING])[:, None]
    draws = draws_of(5)
    better, worse = (
        drawn_scores("amount", sums_of("amount", truth, truth + share * hard, RECORDING)[None, None], draws)
        for share in (1.0, 1.05)
    )
    gain = interval(better - worse)
    assert gain.low > 0
    assert gain.high - gain.low < 0.3 * (interval(better).high - interval(better).low)


def test_members_and_draws_of_labels_are_averaged_and_widen_the_interval():
    truth = np.tile([0.0, 1.0], 50)[:, None]
    of_seed = [sums_of("amount", truth, answer, RECORDING) for answer in (truth, np.full_like(truth, 0.5))]
    for sums in (np.stack(of_seed)[None], np.stack(of_seed)[:, None]):
        drawn = drawn_scores("amount", sums, draws_of(5))
        assert drawn[0] == pytest.approx(0.5)
        found = interval(drawn)
        assert found.low == pytest.approx(0)
        assert found.high == pytest.approx(1)
    alike = drawn_scores("amount", np.stack([of_seed[1]] * 3)[None], draws_of(5))
    assert interval(alike).high == pytest.approx(0)


def test_what_cannot_be_said_stays_unsaid():
    found = interval(np.full(10, np.nan))
    assert np.isnan([found.value, found.low, found.high]).all()
