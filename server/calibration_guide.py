"""Leads an operator through a calibration: which shape to show now, how much of it was seen, which frames count.

No socket, thread or clock here. Time counts only while the asked shape is seen, so nobody has to hurry or to be told
when it begins. The open hand must be shown; a fist or touch that is not recognised is passed over after a while.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from server.retargeting.calibration import CLOSED_FIST, MAX_TOUCH_M, MIN_FRAMES, TOUCHES, Segment
from server.retargeting.human_hand import BONE_JOINTS, TIP_JOINT
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.hand import FINGERS
from skin_teleop.transforms import Array

STEPS: tuple[Segment, ...] = ("open", "fist", *TOUCHES)
WORDS: Mapping[Segment, str] = {
    "open": "Open your hand, fingers straight",
    "fist": "Make a fist",
    "touch_index": "Thumb to index finger",
    "touch_middle": "Thumb to middle finger",
    "touch_ring": "Thumb to ring finger",
}
HOLD_NS: Mapping[Segment, int] = {step: (1500 if step == "open" else 1000) * NS_PER_MS for step in STEPS}
"""How long a shape is seen until its step is done: at 72 Hz over 100 frames of the open hand."""
PASSED_OVER_NS = 15 * NS_PER_S
GIVEN_UP_NS = 60 * NS_PER_S
LONGEST_STEP_NS = 100 * NS_PER_MS
"""Between two frames; after a longer gap the hand was not seen in between."""
STRAIGHT = 0.9
"""An open finger's knuckle and tip are this share of its bones apart; 0.98 is perfectly straight for trackers."""
_TIPS = np.array([TIP_JOINT[finger] for finger in FINGERS])
_OUTER = np.array([BONE_JOINTS[finger] for finger in FINGERS])


class CalibrationGuide:
    """One run; `add` every frame of the driven hand until `finished` or `given_up`."""

    def __init__(self, operator: str) -> None:
        self.operator = operator
        self.given_up = False
        self._frames: dict[Segment, list[Array]] = {step: [] for step in STEPS}
        self._at = 0
        self._seen_ns = self._step_ns = 0
        self._last_ns: int | None = None
        self._open_reach_m = np.zeros(len(FINGERS))

    @property
    def steps_done(self) -> int:
        """Of `STEPS`; those passed over count as done."""
        return self._at

    @property
    def finished(self) -> bool:
        """Whether every step is behind."""
        return self._at == len(STEPS)

    @property
    def step(self) -> Segment | None:
        """What is asked now."""
        return None if self.finished else STEPS[self._at]

    @property
    def progress(self) -> float:
        """Of this step, 0 to 1."""
        if self.step is None:
            return 1.0
        frames = len(self._frames[self.step]) / (MIN_FRAMES if self.step == "open" else 1)
        return min(1.0, self._seen_ns / HOLD_NS[self.step], frames)

    @property
    def segments(self) -> dict[Segment, Array]:
        """Frames (T, 25, 3) m of every shape that was shown."""
        return {step: np.array(frames) for step, frames in self._frames.items() if frames}

    def add(self, keypoints_m: Array, t_ns: int) -> None:
        """Look at one frame (25, 3) m of a plausible hand, in any frame of reference."""
        elapsed = min(LONGEST_STEP_NS, t_ns - self._last_ns) if self._last_ns is not None else 0
        self._last_ns = t_ns
        if self.step is None or self.given_up:
            return
        self._step_ns += elapsed
        if self._shows(self.step, np.asarray(keypoints_m, float)):
            self._frames[self.step].append(np.array(keypoints_m, float))
            self._seen_ns += elapsed
        if self.progress >= 1.0 or (self._at and self._step_ns >= PASSED_OVER_NS):
            self._next()
        self.given_up = self._step_ns >= GIVEN_UP_NS

    def _next(self) -> None:
        step = STEPS[self._at]
        if step == "open":
            self._open_reach_m = np.median([_reach_m(frame) for frame in self._frames[step]], axis=0)
        elif self.progress < 1.0:
            self._frames[step].clear()  # half a shape is none
        self._at += 1
        self._seen_ns = self._step_ns = 0

    def _shows(self, step: Segment, hand_m: Array) -> bool:
        if step == "open":
            return bool((_straightness(hand_m) >= STRAIGHT).all())
        if step == "fist":
            return bool((_reach_m(hand_m) < CLOSED_FIST * self._open_reach_m)[: len(TOUCHES)].all())
        gaps = np.linalg.norm(hand_m[_TIPS[:-1]] - hand_m[_TIPS[-1]], axis=-1)  # index, middle, ring to the thumb
        return bool(gaps[TOUCHES.index(step)] <= min(MAX_TOUCH_M, gaps.min()))


def _reach_m(hand_m: Array) -> Array:
    return np.linalg.norm(hand_m[_TIPS] - hand_m[0], axis=-1)  # type: ignore[no-any-return]


def _straightness(hand_m: Array) -> Array:
    """(4,) distance from the first to the last joint of the outer bones over their length."""
    bones = np.linalg.norm(np.diff(hand_m[_OUTER], axis=1), axis=-1).sum(-1)
    apart = np.linalg.norm(hand_m[_OUTER[:, -1]] - hand_m[_OUTER[:, 0]], axis=-1)
    return apart / np.maximum(bones, 1e-6)  # type: ignore[no-any-return]
