"""Ridge regression in closed form, on features scaled as a whole, and the two scores of the probe.

Solved in the dual (Hastie et al., The Elements of Statistical Learning, section 18.3.5), so that a feature set is
needed only as the inner products of its rows, and one eigendecomposition serves every penalty and every fold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from skin_teleop.transforms import Array

PENALTIES = 10.0 ** np.arange(-5, 4)
"""Candidates, as multiples of the mean eigenvalue of the features' Gram matrix."""
_TINY = 1e-8
_STILL = 1e-9


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


class DualRidge:
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


def explained_variance(truth: Array, predicted: Array) -> float:
    """R2 over all columns of (n, k), each about its own mean, weighted by variance; NaN without any variance."""
    total = ((truth - truth.mean(0)) ** 2).sum()
    return float(1 - ((truth - predicted) ** 2).sum() / total) if total > _TINY else float("nan")


def balanced_accuracy(truth: Array, predicted: Array) -> float:
    """Mean over columns of the mean of both classes' recall, for bool arrays (n, k); both classes must occur."""
    hit = (predicted & truth).sum(0) / truth.sum(0)
    passed = (~predicted & ~truth).sum(0) / (~truth).sum(0)
    return float(((hit + passed) / 2).mean())


def class_midpoints(scores: Array, truth: Array) -> Array:
    """(k,) thresholds halfway between the classes' mean scores (n, k), so that rare contact is not ignored."""
    with_contact: Array = (scores * truth).sum(0) / truth.sum(0)
    without: Array = (scores * ~truth).sum(0) / (~truth).sum(0)
    middle: Array = (with_contact + without) / 2
    return middle
