from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.benchmark.budgets import BUDGETS, labelled_rows

RECORDING = np.repeat(np.arange(40), 6)
TRAIN = RECORDING < 30


@pytest.mark.parametrize(("budget", "episodes"), [(0.01, 1), (0.033, 1), (0.1, 3), (0.33, 10), (1.0, 30)])
def test_a_share_of_the_labels_is_a_share_of_the_episodes(budget, episodes):
    labelled = labelled_rows(RECORDING, TRAIN, budget, seed=0)
    rows = labelled.rows
    assert labelled.episodes == len(np.unique(RECORDING[rows])) == episodes
    assert len(rows) == len(np.unique(rows)) == 6 * episodes
    assert TRAIN[rows].all()


@given(st.integers(0, 50))
def test_budgets_of_a_seed_are_nested(seed):
    taken = []
    for budget in BUDGETS:
        labelled = labelled_rows(RECORDING, TRAIN, budget, seed)
        taken.append(set(labelled.rows.tolist()))
    for smaller, larger in itertools.pairwise(taken):
        assert smaller <= larger


def test_the_penalty_is_chosen_on_other_episodes_or_later_windows():
    many = labelled_rows(RECORDING, TRAIN, 1.0, seed=3)
    assert np.bincount(many.fold).tolist() == [36] * 5
    assert all(len(set(many.fold[RECORDING[many.rows] == episode])) == 1 for episode in range(30))
    assert not set(RECORDING[many.fit]) & set(RECORDING[many.choose])
    one = labelled_rows(RECORDING, TRAIN, 0.01, seed=3)
    assert set(RECORDING[one.fit]) == set(RECORDING[one.choose])
    assert one.fit.max() < one.choose.min()
    assert len(set(one.fold.tolist())) == 4


def test_seeds_draw_other_episodes():
    first = {int(RECORDING[labelled_rows(RECORDING, TRAIN, 0.01, seed).fit[0]]) for seed in range(12)}
    assert len(first) > 4
