"""The linear head: ridge regression for all tasks at once, each task's penalty chosen inside the label budget.

Solved in the dual (Hastie et al., The Elements of Statistical Learning, section 18.3.5), so that a feature set is
needed only as the inner products of its rows, and one eigendecomposition serves every penalty and every fold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.tasks import Task
from encoder.ridge import PENALTIES
from skin_teleop.transforms import Array

_STILL = 1e-9
_TINY = 1e-8


def inner_products(blocks: Sequence[Array], train: Array) -> Array:
    """(n, n) inner products of rows of features, given as blocks (n, d) of one unit each.

    A block is centred and divided by one number, its root mean square over the training windows `train` (n,) bool,
    for which no label is needed. Dividing each feature by its own deviation would make the noise of a taxel that is
    hardly ever touched as loud as a contact.
    """
    total = np.zeros((len(train), len(train)))
    for block in blocks:
        centred = block - block[train].mean(0)
        scale = max(float(np.sqrt(centred[train].var(0).mean())), _STILL)
        scaled = torch.from_numpy(centred / (scale * np.sqrt(block.shape[1])))
        total += (scaled @ scaled.T).numpy()
    return total


def linear_answers(products: Array, tasks: Sequence[Task], labelled: Labelled, judge: Array) -> list[Array]:
    """Answers (m, k) of each task for the rows `judge`, from inner products (n, n) of all rows.

    The penalty with the least squared error on left-out folds answers. An amount is never answered outside of what
    the labels span.
    """
    rows = labelled.rows
    targets = np.concatenate([task.values for task in tasks], 1)[rows]  # (a, K)
    ridge = _DualRidge(products[np.ix_(rows, rows)], targets)
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


class _DualRidge:
    """Ridge with a free offset on the labelled rows, for any penalty."""

    def __init__(self, products: Array, targets: Array) -> None:
        self._column_mean = products.mean(0)  # (a,)
        self._mean = products.mean()
        centred = products - self._column_mean - self._column_mean[:, None] + self._mean
        values, vectors = torch.linalg.eigh(torch.from_numpy(centred))
        self._values, self._vectors = np.maximum(values.numpy(), 0), vectors.numpy()
        self._unit = max(float(self._values.mean()), _TINY)
        self._offset = targets.mean(0)  # (K,)
        self._turned = self._vectors.T @ (targets - self._offset)  # (a, K)
        self._targets = targets
        self.columns = targets.shape[1]

    def tell(self, penalty: float, to_labelled: Array) -> tuple[Array, Array]:
        """What is told of the labelled rows (a, K), and of others (m, K) by their products (m, a) with those."""
        dual = self._vectors @ (self._turned / (self._values + penalty * self._unit)[:, None])
        centred = to_labelled - to_labelled.mean(1, keepdims=True) - self._column_mean + self._mean
        fitted = self._targets - penalty * self._unit * dual
        return fitted, centred @ dual + self._offset

    def left_out_error(self, penalty: float, out: Array) -> Array:
        """(b, K) error on the rows `out` (b,) of a fit without them.

        Exactly (I - H_oo)^-1 of the error with them, H the matrix that turns targets into fitted values (the block
        form of the leave-one-out formula, ibid., equation 7.52).
        """
        share = self._values / (self._values + penalty * self._unit)
        mine = self._vectors[out]
        hat = (mine * share) @ mine.T + 1 / len(self._values)
        fitted = mine @ (share[:, None] * self._turned) + self._offset
        error: Array = np.linalg.solve(np.eye(len(out)) - hat, self._targets[out] - fitted)
        return error


def _left_out_errors(ridge: _DualRidge, penalty: float, fold: Array) -> Array:
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
