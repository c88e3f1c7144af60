"""The linear head: one ridge for all tasks, its penalty chosen for each task inside the label budget."""

from __future__ import annotations

import numpy as np

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.scores import score, sums_of
from encoder.benchmark.tasks import Task
from encoder.ridge import Ridge, fit_ridges
from skin_teleop.transforms import Array


def linear_answers(features: Array, tasks: list[Task], labelled: Labelled, judge: Array) -> list[Array]:
    """Answers (m, k) of each task for the rows `judge`, from features (n, d) of unit deviation.

    A feature that is still in the few labelled rows must not blow up elsewhere, so it is not standardised again. The
    penalty that is best on the `choose` rows is used again on all labelled rows.
    """
    targets = np.concatenate([task.values for task in tasks], 1)  # (n, K)
    unit = np.ones(features.shape[1])
    both = np.concatenate([labelled.fit, labelled.choose])
    trials = fit_ridges(features[labelled.fit], targets[labelled.fit], scale=unit)
    tried = [_told(ridge, features, tasks, labelled.fit, labelled.choose) for ridge in trials]
    final = fit_ridges(features[both], targets[both], scale=unit)
    answers = []
    for index, task in enumerate(tasks):
        truth = task.values[labelled.choose]
        best = _best([_one_score(task, truth, told[index]) for told in tried])
        answers.append(_told(final[best], features, tasks, both, judge)[index])
    return answers


def decided(task: Task, fitted: Array, truth: Array, judged: Array) -> Array:
    """Answers (m, k) from a regression's output: flags are decided halfway between their classes' mean outputs."""
    if task.kind != "flags":
        return judged
    yes, no = truth > 0.5, truth <= 0.5
    middle = (_mean_where(fitted, yes) + _mean_where(fitted, no)) / 2
    never, always = ~yes.any(0), ~no.any(0)
    return np.where(never, 0.0, np.where(always, 1.0, (judged > middle).astype(float)))


def _told(ridge: Ridge, features: Array, tasks: list[Task], fit: Array, judge: Array) -> list[Array]:
    edges = np.cumsum([task.values.shape[1] for task in tasks])[:-1]
    fitted = np.split(ridge.predict(features[fit]), edges, axis=1)
    judged = np.split(ridge.predict(features[judge]), edges, axis=1)
    return [decided(task, fitted[i], task.values[fit], judged[i]) for i, task in enumerate(tasks)]


def _mean_where(values: Array, mask: Array) -> Array:
    mean: Array = (values * mask).sum(0) / np.maximum(mask.sum(0), 1)
    return mean


def _one_score(task: Task, truth: Array, answer: Array) -> float:
    together = np.zeros(len(truth), int)
    return float(score(task.kind, sums_of(task.kind, truth, answer, together).sum(0)))


def _best(scores: list[float]) -> int:
    """The best score's place; the strongest penalty where the chosen rows cannot tell them apart."""
    known = np.nan_to_num(np.array(scores), nan=-np.inf)
    return int(len(known) - 1 - np.argmax(known[::-1]))
