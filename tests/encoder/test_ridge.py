from __future__ import annotations

import numpy as np
import pytest

from encoder.ridge import balanced_accuracy, class_midpoints, explained_variance, fit_ridges


def test_dual_solution_equals_the_textbook_formula():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(40, 6)) * 3 + 1, rng.normal(size=(40, 2))
    (ridge,) = fit_ridges(features, targets, np.array([0.1]))
    standard = (features - features.mean(0)) / features.std(0)
    unit = np.linalg.eigvalsh(standard @ standard.T).mean()
    weights = np.linalg.solve(standard.T @ standard + 0.1 * unit * np.eye(6), standard.T @ (targets - targets.mean(0)))
    np.testing.assert_allclose(ridge.weights, weights, atol=1e-6)
    np.testing.assert_allclose(ridge.predict(features), standard @ weights + targets.mean(0), atol=1e-6)


def test_more_features_than_samples_and_a_constant_feature():
    rng = np.random.default_rng(1)
    features = np.c_[rng.normal(size=(20, 50)), np.ones(20)]
    for ridge in fit_ridges(features, rng.normal(size=(20, 1))):
        assert np.isfinite(ridge.predict(features)).all()


def test_explained_variance_by_hand():
    truth = np.array([[0.0, 0.0], [2.0, 20.0]])
    assert explained_variance(truth, truth) == 1
    assert explained_variance(truth, np.array([[1.0, 10.0], [1.0, 10.0]])) == 0
    assert explained_variance(truth, np.array([[0.0, 10.0], [2.0, 10.0]])) == pytest.approx(1 - 200 / 202)
    assert np.isnan(explained_variance(np.ones((3, 1)), np.zeros((3, 1))))


def test_balanced_accuracy_by_hand():
    truth = np.array([[1], [0], [0], [0]], bool)
    assert balanced_accuracy(truth, np.zeros((4, 1), bool)) == 0.5
    assert balanced_accuracy(truth, truth) == 1
    assert balanced_accuracy(truth, np.array([[1], [1], [0], [0]], bool)) == pytest.approx((1 + 2 / 3) / 2)


def test_threshold_lies_between_the_classes():
    scores, truth = np.array([[0.9], [0.1], [0.3]]), np.array([[True], [False], [False]])
    assert class_midpoints(scores, truth).tolist() == pytest.approx([0.55])
