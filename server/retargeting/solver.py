"""A damped Newton method inside box limits, for four independent fingers at once.

Each step minimises the quadratic model of a finger's cost within the limits: joints that would leave are put on
their limit and the others are solved again (the projected active set of Bertsekas, "Projected Newton methods for
optimization problems with simple constraints", 1982). The damping is Levenberg's, added to the absolute eigenvalues,
so that a saddle is left downhill. Limits are never exceeded, not even by rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from server.retargeting.objective import Quadratic
from skin_teleop.transforms import Array

MAX_ITERATIONS = 12
"""Recorded hand motion needs 3 to 5 from a warm start, at the 99th percentile 4 to 13."""
STEP_TOLERANCE_RAD = 1e-4
"""As fine as the hand's encoder: 333.3/65536 degrees is 0.9e-4 rad."""
MAX_STEP_RAD = 0.5
FIRST_DAMPING_M2, LEAST_DAMPING_M2 = 1e-6, 1e-7
"""Against eigenvalues of about 1e-2 m^2/rad^2 along a flexion and 1e-6 in the null space."""
LESS_DAMPING, MORE_DAMPING = 0.1, 10.0
ACTIVE_SET_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Joints (..., 4, 4) rad inside the limits, the cost there and how many steps it took."""

    q_rad: Array
    at: Quadratic
    iterations: int


def minimise(
    quadratic_at: Callable[[Array], Quadratic], start_rad: Array, lower_rad: Array, upper_rad: Array
) -> Solution:
    """Minimise each finger's cost over joints (..., 4, 4) rad between `lower_rad` and `upper_rad` (4, 4)."""
    q = np.clip(start_rad, lower_rad, upper_rad)
    here = quadratic_at(q)
    damping = np.full((*q.shape[:-1], 1), FIRST_DAMPING_M2)
    iterations = 0
    while iterations < MAX_ITERATIONS:
        iterations += 1
        step = _bounded_step(here, damping, lower_rad - q, upper_rad - q)
        candidate = np.clip(q + step, lower_rad, upper_rad)
        there = quadratic_at(candidate)
        better = there.cost_m2 <= here.cost_m2  # (..., 4)
        q = np.where(better[..., None], candidate, q)
        here = there if better.all() else _chosen(better, there, here)
        change = np.where(better[..., None], LESS_DAMPING, MORE_DAMPING)
        damping = np.maximum(damping * change, LEAST_DAMPING_M2)
        if np.abs(step).max() < STEP_TOLERANCE_RAD:
            break
    return Solution(q, here, iterations)


def _bounded_step(here: Quadratic, damping: Array, room_below: Array, room_above: Array) -> Array:
    """The damped Newton step (..., 4, 4) rad that stays between `room_below` <= 0 and `room_above` >= 0."""
    step = np.zeros_like(here.gradient)
    free = ~(((room_below >= 0) & (here.gradient > 0)) | ((room_above <= 0) & (here.gradient < 0)))
    for _ in range(ACTIVE_SET_ROUNDS):
        pull = here.gradient + (here.curvature @ np.where(free, 0.0, step)[..., None])[..., 0]
        step = np.where(free, _newton_step(here.curvature, pull, free, damping), step)
        outside = free & ((step < room_below) | (step > room_above))
        if not outside.any():
            break
        step = np.where(outside, np.clip(step, room_below, room_above), step)
        free &= ~outside
    longest = np.abs(step).max(-1, keepdims=True)
    shortened: Array = step * np.minimum(1.0, MAX_STEP_RAD / np.maximum(longest, MAX_STEP_RAD))
    return shortened


def _newton_step(curvature: Array, pull: Array, free: Array, damping: Array) -> Array:
    values, vectors = np.linalg.eigh(curvature * (free[..., :, None] & free[..., None, :]))
    along = ((pull * free)[..., None, :] @ vectors)[..., 0, :] / (np.abs(values) + damping)
    step: Array = -(vectors @ along[..., None])[..., 0]
    return step


def _chosen(better: Array, there: Quadratic, here: Quadratic) -> Quadratic:
    return Quadratic(
        cost_m2=np.where(better, there.cost_m2, here.cost_m2),
        gradient=np.where(better[..., None], there.gradient, here.gradient),
        curvature=np.where(better[..., None, None], there.curvature, here.curvature),
        tip_error_m=np.where(better, there.tip_error_m, here.tip_error_m),
    )
