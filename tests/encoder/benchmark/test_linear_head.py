from __future__ import annotations

import numpy as np
import pytest

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.linear_head import _DualRidge, decided, inner_products, linear_answers
from encoder.benchmark.tasks import Task

LABELLED = Labelled(np.arange(300), np.arange(300) // 60, 5)
JUDGE = np.arange(300, 400)
TRAIN = np.arange(400) < 300


def products(*blocks):
    return inner_products(blocks, TRAIN)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(400, 12))


def test_amounts_flags_and_classes_are_told_by_one_solve(features):
    scores = features[:, :3]
    tasks = [
        Task("force", "amount", features @ np.ones((12, 2)) + 3),
        Task("contact", "flags", (features[:, 3:5] > 1).astype(float)),
        Task("action", "class", np.eye(3)[scores.argmax(1)]),
    ]
    force, contact, action = linear_answers(products(features), tasks, LABELLED, JUDGE)
    np.testing.assert_allclose(force, tasks[0].values[JUDGE], atol=0.02)
    told = contact > 0.5
    truth = tasks[1].values[JUDGE] > 0.5
    assert (told == truth).mean() > 0.85
    assert told[truth].mean() > 0.9  # rare, and not ignored
    assert (action.argmax(1) == scores[JUDGE].argmax(1)).mean() > 0.85


def test_a_feature_that_was_still_in_the_labels_does_not_blow_up(features):
    features[:300, 0] = 0
    task = Task("force", "amount", features[:, 1:2])
    (answer,) = linear_answers(products(features), [task], LABELLED, JUDGE)
    labelled = task.values[LABELLED.rows]
    np.testing.assert_allclose(answer, np.clip(task.values[JUDGE], labelled.min(), labelled.max()), atol=0.02)


def test_labels_of_judged_windows_are_never_used(features):
    values = features[:, :1].copy()
    (before,) = linear_answers(products(features), [Task("force", "amount", values)], LABELLED, JUDGE)
    values[JUDGE] = 1e6
    (after,) = linear_answers(products(features), [Task("force", "amount", values)], LABELLED, JUDGE)
    np.testing.assert_array_equal(before, after)


def test_a_flag_that_never_or_always_stands_is_answered_so():
    task = Task("contact", "flags", np.zeros((1, 3)))
    truth = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    fitted = np.array([[0.2, 0.9, 0.1], [0.1, 1.0, 0.7]])
    judged = np.array([[5.0, -5.0, 0.39], [0.0, 0.0, 0.41]])
    assert decided(task, fitted, truth, judged).tolist() == [[0, 1, 0], [0, 1, 1]]


def test_leaving_out_in_one_solve_equals_fitting_without(features):
    """The block formula against a second ridge that never saw the rows; its offset is free there too."""
    targets = features @ np.ones((12, 2)) + np.random.default_rng(1).normal(size=(400, 2))
    whole, out = products(features), np.arange(60, 120)
    rest = np.setdiff1d(np.arange(300), out)
    ridge = _DualRidge(whole[:300, :300], targets[:300])
    alone = _DualRidge(whole[np.ix_(rest, rest)], targets[rest])
    strength = 0.1 * ridge._unit / alone._unit  # the same penalty in absolute numbers
    _, told = alone.tell(strength, whole[np.ix_(out, rest)])
    np.testing.assert_allclose(ridge.left_out_error(0.1, out), targets[out] - told, atol=1e-8)


def test_fitted_values_and_answers_are_of_one_regression(features):
    targets = features[:300, :2] + 5
    ridge = _DualRidge(products(features)[:300, :300], targets)
    fitted, told = ridge.tell(0.01, products(features)[:300, :300])
    np.testing.assert_allclose(fitted, told, atol=1e-9)


def test_a_block_counts_as_one_whatever_its_unit_and_its_quiet_features_stay_quiet(features):
    metres, millimetres = products(features[:, :6]), products(1000 * features[:, :6])
    np.testing.assert_allclose(metres, millimetres)
    loud = features.copy()
    loud[:, 0] *= 1000
    np.testing.assert_allclose(
        products(loud), np.outer(features[:, 0] - features[TRAIN, 0].mean(), features[:, 0] - features[TRAIN, 0].mean())
        / features[TRAIN, 0].var(), atol=0.05,
    )  # fmt: skip
    both = products(features[:, :6], features[:, 6:] * 50)
    np.testing.assert_allclose(both, metres + products(features[:, 6:]))


def test_an_amount_is_never_told_beyond_the_labels(features):
    task = Task("force", "amount", np.abs(features[:, :1]))
    features[JUDGE] *= 10
    (answer,) = linear_answers(products(features), [task], LABELLED, JUDGE)
    assert answer.min() >= task.values[:300].min()
    assert answer.max() <= task.values[:300].max()
