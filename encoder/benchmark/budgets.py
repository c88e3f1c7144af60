"""Nested label budgets by episode: a tenth of the labels is a tenth of the recordings, and a third contains it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skin_teleop.transforms import Array

BUDGETS = (0.01, 0.033, 0.1, 0.33, 1.0)
_CHOOSE_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Labelled:
    """Windows whose labels may be used."""

    fit: Array
    """(a,) rows to fit on."""
    choose: Array
    """(b,) rows to choose a penalty on."""
    episodes: int


def labelled_rows(recording: Array, train: Array, budget: float, seed: int) -> Labelled:
    """Labels of a share of the training recordings, in the seed's order, so that budgets of one seed are nested.

    `recording` (n,) names each row's recording, `train` (n,) bool its membership. The penalty is chosen inside the
    budget: on a quarter of its recordings, or on the last quarter in time where there is only one.
    """
    episodes = np.random.default_rng([seed, 29]).permutation(np.unique(recording[train]))
    taken = episodes[: max(1, math.ceil(budget * len(episodes) - 1e-9))]
    if len(taken) == 1:
        rows = np.flatnonzero(recording == taken[0])
        cut = math.ceil((1 - _CHOOSE_SHARE) * len(rows))
        return Labelled(rows[:cut], rows[cut:], 1)
    chosen = taken[: max(1, round(_CHOOSE_SHARE * len(taken)))]
    inside = np.isin(recording, taken)
    choosing = np.isin(recording, chosen)
    return Labelled(np.flatnonzero(inside & ~choosing), np.flatnonzero(choosing), len(taken))
