"""Statistics of a feature over all frames of a data set, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from skin_teleop.messages import Array

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
SAMPLED_FRAMES = 64
"""Frames of every episode, evenly spread, from which the quantiles are taken."""


class RunningStats:
    """Count, extremes, mean and deviation of every channel; exact. Quantiles from a sample of the frames."""

    def __init__(self) -> None:
        self._count = 0
        self._lowest, self._highest = np.array(np.inf), np.array(-np.inf)
        self._sum, self._square_sum = np.zeros(()), np.zeros(())
        self._sample: list[Array] = []

    def add(self, frames: Array) -> None:
        """Take in the frames (n, ...) of one episode."""
        exact = frames.astype(np.float64)
        self._count += len(frames)
        self._lowest = np.minimum(self._lowest, exact.min(axis=0))
        self._highest = np.maximum(self._highest, exact.max(axis=0))
        self._sum = self._sum + exact.sum(axis=0)
        self._square_sum = self._square_sum + np.square(exact).sum(axis=0)
        self._sample.append(frames[np.linspace(0, len(frames) - 1, min(SAMPLED_FRAMES, len(frames))).astype(int)])

    def to_json(self) -> dict[str, Any]:
        """The figures as LeRobot's stats.json names them."""
        mean = self._sum / self._count
        deviation = np.sqrt(np.maximum(0.0, self._square_sum / self._count - np.square(mean)))
        sample = np.concatenate(self._sample)
        figures = {"min": self._lowest, "max": self._highest, "mean": mean, "std": deviation}
        figures |= {name: np.quantile(sample, share, axis=0) for name, share in QUANTILES.items()}
        return {name: np.atleast_1d(values).tolist() for name, values in figures.items()} | {"count": [self._count]}
