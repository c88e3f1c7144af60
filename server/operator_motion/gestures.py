"""Four short motions of the parametric hand that show a retargeting: pinch, fist, spread and thumb sweep."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from server.operator_motion.demo_motion import RATE_HZ, minimum_jerk
from server.operator_motion.human_hand import HandShape, hand_pose
from server.trace import Trace

SECONDS = 1.5
"""From the open hand to the end of the motion."""

_OPEN = HandShape((5,) * 4, (5,) * 4, (3,) * 4, 2, 45, 30, (0, 5))
_PINCH = HandShape((42, 20, 22, 24), (43, 22, 24, 26), (19, 15, 15, 15), 2, 51, 79, (10, 25))
_FIST = HandShape((75,) * 4, (85,) * 4, (50,) * 4, 0, 35, 65, (30, 45))
_SPREAD = HandShape((2,) * 4, (2,) * 4, (1,) * 4, 12, 65, 20, (0, 0))
_THUMB_IN, _THUMB_OUT = (
    HandShape((30,) * 4, (25,) * 4, (15,) * 4, 2, yaw, opposition, flexion)
    for yaw, opposition, flexion in ((45, 110, (20, 20)), (60, 10, (0, 5)))
)
GESTURES: Mapping[str, tuple[HandShape, HandShape]] = {
    "pinch": (_OPEN, _PINCH),
    "fist": (_OPEN, _FIST),
    "spread": (HandShape(), _SPREAD),
    "thumb-sweep": (_THUMB_OUT, _THUMB_IN),
}
"""Name, first and last shape."""


def gesture_trace(name: str) -> Trace:
    """One of `GESTURES` as a trace at 72 Hz, the wrist at the origin of the reference space."""
    first, last = (shape.angles() for shape in GESTURES[name])
    t_s = np.arange(0, SECONDS, 1 / RATE_HZ)
    angles = first + minimum_jerk(t_s / t_s[-1])[:, None] * (last - first)  # (T, 17)
    pose = np.stack([hand_pose(row, np.zeros(3), np.eye(3)) for row in angles]).astype(np.float32)
    return Trace(pose, np.ones(len(t_s), bool), t_s)
