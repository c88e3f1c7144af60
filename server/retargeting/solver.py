"""Damped Gauss-Newton inside box limits, for four independent fingers at once.

Levenberg-Marquardt damping per finger (Marquardt 1963) with the projected active set of Bertsekas ("Projected Newton
methods for optimization problems with simple constraints", 1982): a joint at its limit that the gradient pushes
outwards is frozen for the step, every other joint takes the Newton step and is clipped to the limits. Limits are
therefore never exceeded, not even by rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from server.retargeting.objective import Quadratic
from skin_teleop.transforms import Array

MAX_ITERATIONS = 12
STEP_TOLERANCE_RAD = 1e-4
"""A hundredth of what the encoder-driven hand can show: 333.3/65536 degrees is 0.9e-4 rad."""
FIRST_DAMPING = 1e-3
LESS_DAMPING, MORE_DAMPING = 0.1, 10.0

_DIAGONAL = np.arange(4)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Joints (4, 4) rad inside the limits, the cost there and how many evaluations it took."""

    q_rad: Array
    at: Quadratic
    iterations: int


def minimise(
    quadratic_at: Callable[[Array], Quadratic], start_rad: Array, lower_rad: Array, upper_rad: Array
) -> Solution:
    """Minimise each finger's cost over joints (4, 4) rad between `lower_rad` and `upper_rad` (4, 4)."""
    q = np.clip(start_rad, lower_rad, upper_rad)
    here = quadratic_at(q)
    damping = np.full(4, FIRST_DAMPING)
    for iteration in range(1, MAX_ITERATIONS + 1):
        candidate = np.clip(q + _step(here, damping, q, lower_rad, upper_rad), lower_rad, upper_rad)
        longest_step = float(np.abs(candidate - q).max())
        there = quadratic_at(candidate)
        better = there.cost <= here.cost  # (4,)
        q = np.where(better[:, None], candidate, q)
        here = _chosen(better, there, here)
        damping = damping * np.where(better, LESS_DAMPING, MORE_DAMPING)
        if longest_step < STEP_TOLERANCE_RAD:
            break
    return Solution(q, here, iteration)


def _step(here: Quadratic, damping: Array, q: Array, lower: Array, upper: Array) -> Array:
    frozen = ((q <= lower) & (here.gradient > 0)) | ((q >= upper) & (here.gradient < 0))  # (4, 4)
    free = ~frozen
    system = here.curvature * (free[:, :, None] & free[:, None, :])
    system[:, _DIAGONAL, _DIAGONAL] *= 1 + damping[:, None]
    system[:, _DIAGONAL, _DIAGONAL] += frozen
    step: Array = -np.linalg.solve(system, (here.gradient * free)[..., None])[..., 0]
    return step


def _chosen(better: Array, there: Quadratic, here: Quadratic) -> Quadratic:
    if better.all():
        return there
    return Quadratic(
        cost=np.where(better, there.cost, here.cost),
        gradient=np.where(better[:, None], there.gradient, here.gradient),
        curvature=np.where(better[:, None, None], there.curvature, here.curvature),
        tip_error_m=np.where(better, there.tip_error_m, here.tip_error_m),
    )
