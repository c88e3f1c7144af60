"""One frame through the solver: the compiled one, or its numpy reference where no compiler is at hand."""

from __future__ import annotations

import ctypes
import logging
from typing import Protocol

import numpy as np

from server.retargeting.hand_body import hand_body
from server.retargeting.human_hand import Handedness, tracking_fault, wrong_side
from server.retargeting.imitation import IMITATION
from server.retargeting.native import native_library
from server.retargeting.reference import REPORT, reference_retarget
from server.retargeting.tuning import Tuning
from skin_teleop.errors import MissingPartError
from skin_teleop.hand import WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.transforms import Array

log = logging.getLogger(__name__)


class Solver(Protocol):
    """What both solvers offer."""

    name: str

    def retarget(
        self, keypoints_m: Array, wrist_rotation: Array, side: float, scale: Array
    ) -> tuple[Array, Array] | None:
        """Joints (16,) rad and a `REPORT` record for keypoints (25, 3) m and rotation (3, 3); side -1 mirrors.

        None where the points cannot be a human hand.
        """


class NativeSolver:
    """The compiled solver; its buffers are its own, so one thread uses one solver."""

    name = "compiled"

    def __init__(self, model: HandModel, rest_rad: Array, tuning: Tuning) -> None:
        self._retarget = native_library().retarget
        self._retarget.restype = ctypes.c_int
        self._keypoints, self._rotation = np.zeros((25, 3)), np.zeros((3, 3))
        self._scale, self._q = np.ones(4), np.zeros(16)
        self._report = np.zeros(1, REPORT)
        self._kept = (hand_body(model), tuning.record(), np.array(rest_rad, float), np.zeros(1, IMITATION))
        self._pointers = self._arguments()

    def _arguments(self) -> list[object]:
        body, tuning, rest, asked = (ctypes.c_void_p(part.ctypes.data) for part in self._kept)
        keypoints, rotation, scale, q, report = (
            ctypes.c_void_p(part.ctypes.data)
            for part in (self._keypoints, self._rotation, self._scale, self._q, self._report)
        )
        wrist = ctypes.c_double(-WRIST_TO_PALM_Z_M)
        self._side = ctypes.c_double(1.0)
        return [body, tuning, keypoints, rotation, self._side, scale, wrist, rest, asked, q, report]

    def retarget(
        self, keypoints_m: Array, wrist_rotation: Array, side: float, scale: Array
    ) -> tuple[Array, Array] | None:
        """Joints (16,) rad and a `REPORT` record; see `Solver`."""
        self._keypoints[:], self._rotation[:], self._scale[:] = keypoints_m, wrist_rotation, scale
        self._side.value = side
        if not self._retarget(*self._pointers):
            return None
        return self._q.copy(), self._report[0]


class NumpySolver:
    """The reference: 40 ms a frame, enough to look at data and too slow to feel right."""

    name = "numpy"

    def __init__(self, model: HandModel, rest_rad: Array, tuning: Tuning) -> None:
        self._body, self._rest_rad, self._tuning = hand_body(model)[0], rest_rad, tuning
        left = "left" in model.name
        self._hand: dict[float, Handedness] = {1.0: "left" if left else "right", -1.0: "right" if left else "left"}

    def retarget(
        self, keypoints_m: Array, wrist_rotation: Array, side: float, scale: Array
    ) -> tuple[Array, Array] | None:
        """Joints (16,) rad and a `REPORT` record; see `Solver`."""
        turned = (keypoints_m - keypoints_m[0]) @ wrist_rotation
        if tracking_fault(turned) or wrong_side(turned, np.eye(3), self._hand[side]):
            return None
        return reference_retarget(
            self._body, keypoints_m, wrist_rotation, side, scale, -WRIST_TO_PALM_Z_M, self._rest_rad, self._tuning
        )


def best_solver(model: HandModel, rest_rad: Array, tuning: Tuning) -> Solver:
    """The compiled solver, built now if it is not yet; with a warning the numpy one where that is impossible."""
    try:
        return NativeSolver(model, rest_rad, tuning)
    except MissingPartError as missing:
        log.warning("retargeting runs in numpy, 40 ms a frame instead of 0.1: %s", missing)
        return NumpySolver(model, rest_rad, tuning)
