"""From the operator's hand to sixteen joint angles of the robot hand, frame by frame; usable without the server."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from server.retargeting.boxes import shape_link
from server.retargeting.hand_body import PALM, hand_body
from server.retargeting.human_hand import Handedness, tracking_fault, wrong_side
from server.retargeting.imitation import REST_RAD
from server.retargeting.solver import Solver, best_solver
from server.retargeting.tuning import Tuning
from skin_teleop.clock import NS_PER_MS, Stamp
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import FINGERS, LINK_NAMES, HandModel
from skin_teleop.messages import JointTarget
from skin_teleop.transforms import Array

SCALE_RANGE = (0.5, 3.0)
"""A fingertip of the robot's, per human one; outside this a calibration is a mistake."""
VALID_FOR_NS = 100 * NS_PER_MS
"""A target may be used this long after its pose was received; later the hand node holds by itself."""
_UPRIGHT = np.eye(3)
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
    """The two links that are deepest in each other, or nearest to each other where nothing touches."""
    closest_m: float = float("inf")
    """Distance between their surfaces, m: minus the depth of the URDF's shapes, else between capsules, at least 0."""
    held: str = ""
    """Why the last joints were kept instead of solving; empty when they are new."""

    seq: int = 0
    """Which solve of its retargeter this is, from 1."""

    @property
    def target(self) -> JointTarget:
        """The joints as the message that drives a hand, stamped now; not engaged, for only a server grants motion."""
        stamp = Stamp.now()
        times = {"valid_until": stamp.t_mono + VALID_FOR_NS, "t_pose": stamp.t_mono}
        return JointTarget.stamped(stamp, self.seq, target=self.q_rad, engaged=0, pose_seq=self.seq, **times)


@dataclass(frozen=True, slots=True, eq=False)
class RetargetedFrames:
    """Answers for the T frames of a data set; the fields are those of `Retargeted`, one row a frame."""

    q_rad: Array
    """(T, 16); a held row repeats the last answer."""
    finger_error_m: Array
    """(T, 4)"""
    at_limit: Array
    """(T, 16)"""
    closest_m: Array
    """(T,)"""
    solve_us: Array
    """(T,)"""
    held: tuple[str, ...]
    """T causes, empty where a frame was solved."""


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
        contacts = body["contact"][: body["contacts"]].tolist()
        self._contact_names = [(_link_name(shape_link(one)), _link_name(shape_link(two))) for one, two in contacts]
        self._solves = 0
        self._pair_names = [(_link_name(one), _link_name(two)) for one, two in links]
        self.last = Retargeted(np.clip(rest, self._lower, self._upper), np.zeros(4), np.zeros(16, bool), 0, 0.0)

    @property
    def solver_name(self) -> str:
        """`compiled` or `numpy`."""
        return self._solver.name

    def solve(self, keypoints_m: npt.ArrayLike, wrist_rotation: npt.ArrayLike | None = None) -> Retargeted:
        """Joints for one frame of `keypoints_m` (25, 3) m and `wrist_rotation` (3, 3), both in one reference space.

        Without a rotation the keypoints are in the wrist's own frame. A hand that cannot be human, or is the other
        hand, is not solved: the last answer comes back with the reason in `held`. Raises TraceError for other shapes.
        """
        started = time.perf_counter_ns()
        keypoints = _shaped("keypoints", keypoints_m, (25, 3))
        rotation = _UPRIGHT if wrist_rotation is None else _shaped("a wrist rotation", wrist_rotation, (3, 3))
        self._solves += 1
        solved = self._solver.retarget(keypoints, rotation, self._side, self.scale)
        if solved is None:
            why = self._why_not(keypoints, rotation)
            return dataclasses.replace(self.last, iterations=0, solve_us=0.0, held=why, seq=self._solves)
        q_rad, report = solved
        self.last = Retargeted(
            q_rad,
            report["tip_error_m"].copy(),
            (q_rad <= self._lower) | (q_rad >= self._upper),
            int(report["iterations"]),
            (time.perf_counter_ns() - started) / 1000,
            *self._closest(report),
            seq=self._solves,
        )
        return self.last

    def solve_all(self, keypoints_m: npt.ArrayLike, wrist_rotation: npt.ArrayLike | None = None) -> RetargetedFrames:
        """Answers for frames (T, 25, 3) m of a data set, with (T, 3, 3) rotations unless in their own wrist frames."""
        frames = np.asarray(keypoints_m, float)
        turns = [None] * len(frames) if wrist_rotation is None else np.asarray(wrist_rotation, float)
        answers = [self.solve(frame, turn) for frame, turn in zip(frames, turns, strict=True)]
        return RetargetedFrames(
            np.array([answer.q_rad for answer in answers]).reshape(-1, 16),
            np.array([answer.finger_error_m for answer in answers]).reshape(-1, 4),
            np.array([answer.at_limit for answer in answers], bool).reshape(-1, 16),
            np.array([answer.closest_m for answer in answers], float),
            np.array([answer.solve_us for answer in answers], float),
            tuple(answer.held for answer in answers),
        )

    def _why_not(self, keypoints_m: Array, rotation: Array) -> str:
        if fault := tracking_fault(keypoints_m):
            return fault
        if not np.isfinite(rotation).all():
            return "the wrist has no rotation"
        if wrong_side(keypoints_m, rotation, self.hand):
            return f"the knuckles are those of the other hand than the {self.hand} one, or the wrist is turned over"
        return "the wrist's rotation is not one"

    def _closest(self, report: Array) -> tuple[tuple[str, str], float]:
        if report["depth_m"] > 0:
            return self._contact_names[report["deepest_contact"]], -float(report["depth_m"])
        return self._pair_names[report["closest_pair"]], max(0.0, float(report["closest_m"]))


def _shaped(what: str, value: npt.ArrayLike, shape: tuple[int, int]) -> Array:
    array = np.asarray(value, float)
    if array.shape != shape:
        raise TraceError(
            f"{what} to retarget",
            found=f"shape {array.shape}",
            allowed=f"shape {shape}",
            next_step="WebXR has 25 joints: from 26 OpenXR joints drop the palm; see docs/retargeting.md",
        )
    return array


def _link_name(link: int) -> str:
    return "palm" if link == PALM else LINK_NAMES[link]
