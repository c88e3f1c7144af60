"""Ridge regression in closed form and the two scores of the probe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skin_teleop.transforms import Array

PENALTIES = 10.0 ** np.arange(-5, 4)
"""Candidates, as multiples of the mean eigenvalue of the features' Gram matrix."""
_TINY = 1e-8


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear map from standardised features (n, d) to targets (n, k)."""

    mean: Array
    scale: Array
    weights: Array
    """(d, k)"""
    offset: Array
    """(k,)"""

    def predict(self, features: Array) -> Array:
        """(n, k) predictions."""
        predicted: Array = ((features - self.mean) / self.scale) @ self.weights + self.offset
        return predicted


def fit_ridges(
    features: Array, targets: Array, penalties: Array = PENALTIES, scale: Array | None = None
) -> list[Ridge]:
    """One ridge a penalty from features (n, d) and targets (n, k).

    Features are divided by their own deviation, or by `scale` (d,) where the rows are too few to show one.

    Solved in the dual, by one eigendecomposition of the (n, n) Gram matrix for all penalties (Hastie et al., The
    Elements of Statistical Learning, section 18.3.5): n is a few hundred here and d may be thousands.
    """
    mean = features.mean(0)
    scale = features.std(0) + _TINY if scale is None else scale
    standard = (features - mean) / scale  # (n, d)
    offset = targets.mean(0)
    values, vectors = _eigen(standard @ standard.T)
    turned = vectors.T @ (targets - offset)  # (n, k)
    unit = max(float(values.mean()), _TINY)
    ridges = []
    for penalty in penalties:
        dual = vectors @ (turned / (np.maximum(values, 0) + penalty * unit)[:, None])
        ridges.append(Ridge(mean, scale, standard.T @ dual, offset))
    return ridges


def _eigen(gram: Array) -> tuple[Array, Array]:
    """Eigenvalues (n,) and vectors (n, n) of a symmetric matrix, by torch, whose number of threads a caller can set."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(gram))
    return values.numpy(), vectors.numpy()


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
