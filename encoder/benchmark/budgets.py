"""Nested label budgets by episode: a tenth of the labels is a tenth of the recordings, and a third contains it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skin_teleop.transforms import Array

BUDGETS = (0.01, 0.033, 0.1, 0.33, 1.0)
_FOLDS = 5
_TIME_FOLDS = 4
"""Into how many stretches of time a single recording is cut."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Windows whose labels may be used, and how they are parted to choose a penalty by leaving out."""

    rows: Array
    """(a,)"""
    fold: Array
    """(a,) fold of each row; a recording lies in one fold, unless it is the only one."""
    episodes: int

    @property
    def choose(self) -> Array:
        """(b,) rows of one fold, for a head that is trained only once."""
        rows: Array = self.rows[self.fold == 0]
        return rows

    @property
    def fit(self) -> Array:
        """(a - b,) the other rows."""
        rows: Array = self.rows[self.fold != 0]
        return rows


def labelled_rows(recording: Array, train: Array, budget: float, seed: int) -> Labelled:
    """Labels of a share of the training recordings, in the seed's order, so that budgets of one seed are nested.

    `recording` (n,) names each row's recording, `train` (n,) bool its membership. Whatever a head has to choose, it
    chooses inside the budget: by leaving out whole recordings, or stretches of time where there is only one.
    """
    episodes = np.random.default_rng([seed, 29]).permutation(np.unique(recording[train]))
    taken = episodes[: max(1, math.ceil(budget * len(episodes) - 1e-9))]
    if len(taken) == 1:
        rows = np.flatnonzero(recording == taken[0])
        return Labelled(rows, (np.arange(len(rows)) * _TIME_FOLDS // len(rows))[::-1].copy(), 1)
    rows = np.flatnonzero(np.isin(recording, taken))
    fold_of = {int(episode): place % _FOLDS for place, episode in enumerate(taken)}
    return Labelled(rows, np.array([fold_of[int(of_row)] for of_row in recording[rows]]), len(taken))
