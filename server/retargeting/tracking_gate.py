"""Notices a hand whose shape changes faster than a hand can: a tracking fault, not a movement.

Judged per second and not per frame, so 30 and 120 frames a second are treated alike. Only motion needs this gate; a set
of unrelated poses is solved without it.
"""

from __future__ import annotations

import numpy as np

from server.retargeting.human_hand import wrist_tips_m
from skin_teleop.clock import NS_PER_S
from skin_teleop.transforms import Array

MAX_TIP_SPEED_M_PER_S = 6.0
"""A fingertip in the wrist frame; the fastest finger flicks reach about 4 m/s (a guess from 5 cm in 15 ms)."""
SHORTEST_FRAME_S, LONGEST_FRAME_S = 0.005, 0.25
"""Bunched frames are not judged more strictly; after a longer pause there is nothing to compare with."""


class TrackingGate:
    """Compares each frame with the one seen before, trusted or not: one leap costs one frame, a glitch two."""

    def __init__(self) -> None:
        self._tips_m: Array | None = None
        self._t_ns = 0

    def fault(self, keypoints_m: Array, wrist_rotation: Array, t_ns: int) -> str:
        """Why this frame must not be followed, or an empty text; keypoints (25, 3) m, rotation (3, 3)."""
        tips = wrist_tips_m(keypoints_m, wrist_rotation)
        if not np.isfinite(tips).all():
            return ""  # the retargeter holds it and says why
        seconds = (t_ns - self._t_ns) / NS_PER_S
        before, self._tips_m, self._t_ns = self._tips_m, tips, t_ns
        if before is None or seconds > LONGEST_FRAME_S:
            return ""
        speed = float(np.linalg.norm(tips - before, axis=-1).max()) / max(seconds, SHORTEST_FRAME_S)
        if speed <= MAX_TIP_SPEED_M_PER_S:
            return ""
        return f"a fingertip moved at {speed:.1f} m/s in the hand, at most {MAX_TIP_SPEED_M_PER_S} m/s is human"
