"""The linear head: ridge regression for all tasks at once, each task's penalty chosen inside the label budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.tasks import Task
from encoder.ridge import PENALTIES, DualRidge
from skin_teleop.transforms import Array


def linear_answers(products: Array, tasks: Sequence[Task], labelled: Labelled, judge: Array) -> list[Array]:
    """Answers (m, k) of each task for the rows `judge`, from inner products (n, n) of all rows.

    The penalty with the least squared error on left-out folds answers. An amount is never answered outside of what
    the labels span.
    """
    rows = labelled.rows
    targets = np.concatenate([task.values for task in tasks], 1)[rows]  # (a, K)
    ridge = DualRidge(products[np.ix_(rows, rows)], targets)
    errors = [_left_out_errors(ridge, penalty, labelled.fold) for penalty in PENALTIES]
    to_labelled = products[np.ix_(judge, rows)]
    edges = np.cumsum([task.values.shape[1] for task in tasks])[:-1]
    answers = []
    for index, task in enumerate(tasks):
        of_task = [float(np.split(error, edges)[index].sum()) for error in errors]
        penalty = PENALTIES[_best(of_task)]
        fitted, judged = (np.split(told, edges, axis=1)[index] for told in ridge.tell(penalty, to_labelled))
        answers.append(decided(task, fitted, task.values[rows], judged))
    return answers


def decided(task: Task, fitted: Array, truth: Array, judged: Array) -> Array:
    """Answers (m, k) from a regression's output: flags are decided halfway between their classes' mean outputs."""
    if task.kind == "amount":
        return np.clip(judged, truth.min(0), truth.max(0))
    if task.kind == "class":
        return judged
    yes, no = truth > 0.5, truth <= 0.5
    middle = (_mean_where(fitted, yes) + _mean_where(fitted, no)) / 2
    never, always = ~yes.any(0), ~no.any(0)
    return np.where(never, 0.0, np.where(always, 1.0, (judged > middle).astype(float)))


def _left_out_errors(ridge: DualRidge, penalty: float, fold: Array) -> Array:
    """(K,) squared error of each column, summed over folds that are left out in turn; infinite where unsolvable."""
    try:
        errors = [ridge.left_out_error(penalty, np.flatnonzero(fold == place)) for place in np.unique(fold)]
    except np.linalg.LinAlgError:
        return np.full(ridge.columns, np.inf)
    total: Array = np.sum([np.square(error).sum(0) for error in errors], axis=0)
    return total


def _mean_where(values: Array, mask: Array) -> Array:
    mean: Array = (values * mask).sum(0) / np.maximum(mask.sum(0), 1)
    return mean


def _best(errors: list[float]) -> int:
    """The least error's place; the strongest penalty where several are alike."""
    known = np.nan_to_num(np.array(errors), nan=np.inf)
    return int(len(known) - 1 - np.argmin(known[::-1]))
