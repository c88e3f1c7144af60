from __future__ import annotations

import numpy as np
import pytest

from encoder.ridge import (
    PENALTIES,
    DualRidge,
    balanced_accuracy,
    class_midpoints,
    explained_variance,
    inner_products,
)

TRAIN = np.arange(400) < 300


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(400, 12))


def products(*blocks):
    return inner_products(blocks, TRAIN)


def test_dual_solution_equals_the_textbook_formula():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(40, 6)) * 3 + 1, rng.normal(size=(40, 2))
    whole = inner_products([features], np.ones(40, bool))
    _, told = DualRidge(whole[:30, :30], targets[:30]).tell(0.1, whole[30:, :30])
    scale = np.sqrt(features.var(0).mean() * 6)
    standard = (features - features[:30].mean(0)) / scale
    unit = np.linalg.eigvalsh(standard[:30] @ standard[:30].T).mean()
    gram = standard[:30].T @ standard[:30] + 0.1 * unit * np.eye(6)
    weights = np.linalg.solve(gram, standard[:30].T @ (targets[:30] - targets[:30].mean(0)))
    np.testing.assert_allclose(told, standard[30:] @ weights + targets[:30].mean(0), atol=1e-8)


def test_more_features_than_samples_and_a_constant_feature():
    rng = np.random.default_rng(1)
    whole = inner_products([np.c_[rng.normal(size=(20, 50)), np.ones(20)]], np.ones(20, bool))
    ridge = DualRidge(whole, rng.normal(size=(20, 1)))
    assert all(np.isfinite(ridge.tell(penalty, whole)[1]).all() for penalty in PENALTIES)
    assert (inner_products([np.ones((5, 2))], np.ones(5, bool)) == 0).all()


def test_leaving_out_in_one_solve_equals_fitting_without(features):
    """The block formula against a second ridge that never saw the rows; its offset is free there too."""
    targets = features @ np.ones((12, 2)) + np.random.default_rng(1).normal(size=(400, 2))
    whole, out = products(features), np.arange(60, 120)
    rest = np.setdiff1d(np.arange(300), out)
    ridge = DualRidge(whole[:300, :300], targets[:300])
    alone = DualRidge(whole[np.ix_(rest, rest)], targets[rest])
    strength = 0.1 * ridge._unit / alone._unit  # the same penalty in absolute numbers
    _, told = alone.tell(strength, whole[np.ix_(out, rest)])
    np.testing.assert_allclose(ridge.left_out_error(0.1, out), targets[out] - told, atol=1e-8)


def test_fitted_values_and_answers_are_of_one_regression(features):
    targets = features[:300, :2] + 5
    ridge = DualRidge(products(features)[:300, :300], targets)
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
