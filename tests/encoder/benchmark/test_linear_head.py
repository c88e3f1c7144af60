from __future__ import annotations

import numpy as np
import pytest

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.linear_head import decided, linear_answers
from encoder.benchmark.tasks import Task

LABELLED = Labelled(np.arange(200), np.arange(200, 300), 3)
JUDGE = np.arange(300, 400)


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
    force, contact, action = linear_answers(features, tasks, LABELLED, JUDGE)
    np.testing.assert_allclose(force, tasks[0].values[JUDGE], atol=0.02)
    told = contact > 0.5
    truth = tasks[1].values[JUDGE] > 0.5
    assert (told == truth).mean() > 0.85
    assert told[truth].mean() > 0.9  # rare, and not ignored
    assert (action.argmax(1) == scores[JUDGE].argmax(1)).mean() > 0.85


def test_a_feature_that_was_still_in_the_labels_does_not_blow_up(features):
    features[:300, 0] = 0
    task = Task("force", "amount", features[:, 1:2])
    (answer,) = linear_answers(features, [task], LABELLED, JUDGE)
    np.testing.assert_allclose(answer, task.values[JUDGE], atol=0.02)


def test_labels_of_judged_windows_are_never_used(features):
    values = features[:, :1].copy()
    (before,) = linear_answers(features, [Task("force", "amount", values)], LABELLED, JUDGE)
    values[JUDGE] = 1e6
    (after,) = linear_answers(features, [Task("force", "amount", values)], LABELLED, JUDGE)
    np.testing.assert_array_equal(before, after)


def test_a_flag_that_never_or_always_stands_is_answered_so():
    task = Task("contact", "flags", np.zeros((1, 3)))
    truth = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    fitted = np.array([[0.2, 0.9, 0.1], [0.1, 1.0, 0.7]])
    judged = np.array([[5.0, -5.0, 0.39], [0.0, 0.0, 0.41]])
    assert decided(task, fitted, truth, judged).tolist() == [[0, 1, 0], [0, 1, 1]]
