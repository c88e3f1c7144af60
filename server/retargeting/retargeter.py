"""From the operator's hand to sixteen joint angles of the robot hand, one frame at a time."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np

from server.retargeting.human_hand import Handedness, human_hand, tracking_fault
from server.retargeting.objective import REST_RAD, Imitation
from server.retargeting.solver import minimise
from skin_teleop.hand import FINGERS, HandModel
from skin_teleop.transforms import Array


@dataclass(frozen=True, slots=True, eq=False)
class Retargeted:
    """One answer of the retargeter."""

    q_rad: Array
    """(16,) joints, inside the limits also after rounding to float32."""
    finger_error_m: Array
    """(4,) distance of each fingertip from the scaled human one, m; fingers as in `FINGERS`."""
    at_limit: Array
    """(16,) True where a joint rests at a limit."""
    iterations: int
    solve_us: float
    held: str = ""
    """Why the last joints were kept instead of solving; empty when they are new."""


class Retargeter:
    """Solves frame by frame; the last answer is only where the next search starts.

    The objective looks at no earlier frame, so apart from poses with two equally good answers the same hand gives the
    same joints whatever came before.
    """

    def __init__(self, model: HandModel, scale: float, hand: Handedness = "right") -> None:
        self.model = model
        self.scale = scale
        self.hand: Handedness = hand
        self._lower = float32_at_least(model.lower_rad).reshape(4, 4)
        self._upper = -float32_at_least(-model.upper_rad).reshape(4, 4)
        self._warm_start = np.clip([REST_RAD[finger] for finger in FINGERS], self._lower, self._upper)
        self.last = Retargeted(self._warm_start.reshape(16), np.zeros(4), np.zeros(16, bool), 0, 0.0)

    def solve(self, keypoints_m: Array, wrist_rotation: Array) -> Retargeted:
        """Joints for one frame of `keypoints_m` (25, 3) m and `wrist_rotation` (3, 3), both in one reference space.

        A hand that cannot be human is not solved: the last answer comes back with the reason in `held`.
        """
        started = time.perf_counter_ns()
        fault = tracking_fault(keypoints_m) or (
            "" if np.isfinite(wrist_rotation).all() else "the wrist has no rotation"
        )
        if fault:
            return dataclasses.replace(self.last, iterations=0, solve_us=0.0, held=fault)
        asked = Imitation.of(human_hand(keypoints_m, wrist_rotation, self.hand), self.model, self.scale)
        solution = minimise(asked.around, self._warm_start, self._lower, self._upper)
        self._warm_start = solution.q_rad
        at_limit = (solution.q_rad <= self._lower) | (solution.q_rad >= self._upper)
        self.last = Retargeted(
            solution.q_rad.reshape(16),
            solution.at.tip_error_m,
            at_limit.reshape(16),
            solution.iterations,
            (time.perf_counter_ns() - started) / 1000,
        )
        return self.last


def float32_at_least(values: Array) -> Array:
    """The smallest float32 numbers that are not below `values`, as float64.

    Targets travel as float32; a limit rounded outwards would let them pass it by 1e-8 rad.
    """
    rounded = values.astype(np.float32)
    up = np.where(rounded < values, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return up.astype(float)
