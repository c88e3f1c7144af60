"""From the operator's hand to sixteen joint angles of the robot hand, frame by frame; usable without the server."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from server.retargeting.hand_body import PALM, hand_body
from server.retargeting.human_hand import Handedness, tracking_fault
from server.retargeting.imitation import REST_RAD
from server.retargeting.solver import Solver, best_solver
from server.retargeting.tuning import Tuning
from skin_teleop.errors import ConfigError
from skin_teleop.hand import FINGERS, LINK_NAMES, HandModel
from skin_teleop.transforms import Array

SCALE_RANGE = (0.5, 3.0)
"""A fingertip of the robot's, per human one; outside this a calibration is a mistake."""
_MIRROR = {True: 1.0, False: -1.0}


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
    closest_links: tuple[str, str] = ("", "")
    """The two links that are nearest to each other."""
    closest_m: float = float("inf")
    """Distance between their surfaces (capsules), m; negative is a depth."""
    held: str = ""
    """Why the last joints were kept instead of solving; empty when they are new."""


class Retargeter:
    """Solves frame by frame. Nothing looks at an earlier frame: the same hand gives exactly the same joints.

    A human hand of the other side than the robot's is mirrored. `scale` is one number or one per finger, robot
    fingertip distance per human one; raises ConfigError where it is not between 0.5 and 3.
    """

    def __init__(
        self,
        model: HandModel,
        scale: npt.ArrayLike,
        hand: Handedness = "right",
        *,
        tuning: Tuning | None = None,
        solver: Solver | None = None,
    ) -> None:
        self.model = model
        self.scale = np.broadcast_to(np.asarray(scale, float), (4,)).copy()
        if not ((self.scale >= SCALE_RANGE[0]) & (self.scale <= SCALE_RANGE[1])).all():
            raise ConfigError("a hand scale", found=str(self.scale), allowed=f"{SCALE_RANGE[0]} to {SCALE_RANGE[1]}")
        self.hand: Handedness = hand
        rest = model.mirrored(np.array([REST_RAD[finger] for finger in FINGERS]).reshape(16))
        self._solver = solver or best_solver(model, rest, tuning or Tuning())
        self._side = _MIRROR[("left" in model.name) == (hand == "left")]
        body = hand_body(model)[0]
        self._lower, self._upper = body["lower_rad"], body["upper_rad"]
        links = body["capsule_link"][body["pair"][: body["pairs"]]]
        self._pair_names = [(_link_name(one), _link_name(two)) for one, two in links]
        self.last = Retargeted(np.clip(rest, self._lower, self._upper), np.zeros(4), np.zeros(16, bool), 0, 0.0)

    @property
    def solver_name(self) -> str:
        """`compiled` or `numpy`."""
        return self._solver.name

    def solve(self, keypoints_m: Array, wrist_rotation: Array) -> Retargeted:
        """Joints for one frame of `keypoints_m` (25, 3) m and `wrist_rotation` (3, 3), both in one reference space.

        A hand that cannot be human is not solved: the last answer comes back with the reason in `held`.
        """
        started = time.perf_counter_ns()
        solved = self._solver.retarget(keypoints_m, wrist_rotation, self._side, self.scale)
        if solved is None:
            why = tracking_fault(keypoints_m) or "the wrist has no rotation"
            return dataclasses.replace(self.last, iterations=0, solve_us=0.0, held=why)
        q_rad, report = solved
        self.last = Retargeted(
            q_rad,
            report["tip_error_m"].copy(),
            (q_rad <= self._lower) | (q_rad >= self._upper),
            int(report["iterations"]),
            (time.perf_counter_ns() - started) / 1000,
            self._pair_names[report["closest_pair"]],
            float(report["closest_m"]),
        )
        return self.last

    def solve_all(self, keypoints_m: Array) -> list[Retargeted]:
        """Answers for frames (T, 25, 3) m of a data set, given in their own wrist frames."""
        return [self.solve(frame, np.eye(3)) for frame in keypoints_m]


def _link_name(link: int) -> str:
    return "palm" if link == PALM else LINK_NAMES[link]
