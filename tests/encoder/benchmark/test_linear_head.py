from __future__ import annotations

import numpy as np
import pytest

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.linear_head import decided, linear_answers
from encoder.benchmark.tasks import Task
from encoder.ridge import inner_products

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


def test_an_amount_is_never_told_beyond_the_labels(features):
    task = Task("force", "amount", np.abs(features[:, :1]))
    features[JUDGE] *= 10
    (answer,) = linear_answers(products(features), [task], LABELLED, JUDGE)
    assert answer.min() >= task.values[:300].min()
    assert answer.max() <= task.values[:300].max()
