"""Can a small classifier tell two recordings apart? 0.5 means it cannot; 1 means that it always can.

Both recordings are cut into windows of half a second, each window is put into a few numbers that mean the same on any
hand, and logistic regression is trained on some stretches of time and asked about others (windows that are neighbours
never stand on both sides). The score is the area under the ROC curve of all held-out answers. It also sees what the
hands did: two recordings of different actions are told apart by that alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.skin_validation.signals import SkinSignals
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array

WINDOW_S, BLOCK_S = 0.5, 3.0
FOLDS = 5
MIN_WINDOWS = 20
RIDGE = 1.0
"""L2 penalty on weights of features of unit deviation."""
NEWTON_STEPS = 25
FEATURES = (
    "strongest change of z",
    "strongest shear",
    "99 % of changes",
    "90 % of changes",
    "tremble of quiet taxels",
    "jumps between rows",
    "share of taxels that spoke",
    "active taxels",
)


@dataclass(frozen=True, eq=False)
class Score:
    """How well the held-out windows were told apart."""

    area: float
    """Under the ROC curve; 0.5 is chance."""
    error: float
    """Standard error (J. Hanley and B. McNeil, Radiology 143, 1982); neighbouring windows make it too small."""
    windows: tuple[int, int]
    answers: Array
    """(windows of both,) held-out log odds of being the second recording."""
    weights: dict[str, float]
    """Mean weight of each feature: what told them apart."""


def tell_apart(one: SkinSignals, other: SkinSignals) -> Score:
    """Train and ask; raises SessionError where there are too few windows."""
    features, blocks = zip(*(_windows(signals) for signals in (one, other)))
    sizes = (len(features[0]), len(features[1]))
    if min(sizes) < MIN_WINDOWS:
        raise SessionError(
            "two recordings to be told apart", found=f"{min(sizes)} windows", allowed=f"at least {MIN_WINDOWS}"
        )
    table, fold = np.concatenate(features), np.concatenate(blocks) % FOLDS
    second = np.repeat([False, True], sizes)
    answers, weights = np.zeros(len(table)), []
    for k in range(FOLDS):
        train = fold != k
        mean, deviation = table[train].mean(0), np.maximum(table[train].std(0), 1e-6)
        weight = _logistic((table[train] - mean) / deviation, second[train])
        answers[~train] = _with_one((table[~train] - mean) / deviation) @ weight
        weights.append(weight[1:])
    area = _area(answers[~second], answers[second])
    means = dict(zip(FEATURES, np.mean(weights, axis=0).tolist()))
    return Score(area, _error(area, *sizes), sizes, answers, means)


def _windows(signals: SkinSignals) -> tuple[Array, Array]:
    """Features (W, 8) of windows, and the block of time of each (W,)."""
    rows = round(WINDOW_S * signals.rate_hz)
    touch, flux = signals.touch[:, signals.works], signals.recording.flux[:, signals.works].astype(np.float32)
    count = len(touch) // rows
    features = [_features(touch[k * rows : (k + 1) * rows], flux[k * rows : (k + 1) * rows]) for k in range(count)]
    return np.array(features), (np.arange(count) * WINDOW_S / BLOCK_S).astype(int)


def _features(touch: Array, flux: Array) -> list[float]:
    """One window of changes (R, n, 3) and of raw counts (R, n, 3)."""
    size = np.linalg.norm(touch, axis=-1).mean(0)  # (n,)
    jumps = np.diff(flux, axis=0)
    quiet = size <= np.median(size)
    spoke = jumps.any(-1)
    jump = np.abs(jumps[spoke])
    return [
        float(np.log1p(np.abs(touch[..., 2]).max(1).mean())),
        float(np.log1p(np.linalg.norm(touch[..., :2], axis=-1).max(1).mean())),
        *(float(np.log1p(np.quantile(size, q))) for q in (0.99, 0.9)),
        float(np.log(flux[:, quiet].std(0).mean() + 0.1)),
        float(np.log1p(jump.mean())) if len(jump) else 0.0,
        float(spoke.mean()),
        float(np.log1p((size > 30).sum())),
    ]


def _logistic(table: Array, second: Array) -> Array:
    """Weights (1 + features,) by Newton's method with a small ridge."""
    columns = _with_one(table)
    weight, ridge = np.zeros(columns.shape[1]), RIDGE * np.diag([1e-6, *np.ones(table.shape[1])])
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ weight, -30, 30)))
        slope = columns.T @ (second - chance) - ridge @ weight
        bend = (columns.T * (chance * (1 - chance))) @ columns + ridge
        weight += np.linalg.solve(bend, slope)
    return weight


def _with_one(table: Array) -> Array:
    return np.concatenate([np.ones((len(table), 1)), table], 1)


def _area(first: Array, second: Array) -> float:
    """Probability that a window of the second answers higher, ties counted half."""
    higher = (second[:, None] > first).mean() + 0.5 * (second[:, None] == first).mean()
    return float(higher)


def _error(area: float, n_first: int, n_second: int) -> float:
    both, twice = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n_second - 1) * (both - area**2) + (n_first - 1) * (twice - area**2)
    return float(np.sqrt(variance / (n_first * n_second)))
