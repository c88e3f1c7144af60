"""A guided calibration as a skilled operator does it: open hand, fist, the thumb to each finger, as shapes and motion.

The emulated headset's keys show the same shapes: `python -m server.operator_motion.calibration_motion FILE` writes
them for the page, and a test keeps both equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from server.operator_motion.demo_motion import RATE_HZ, minimum_jerk
from server.operator_motion.human_hand import HandShape, hand_pose
from server.retargeting.calibration import Segment
from server.trace import Trace, TraceMark
from skin_teleop.transforms import Array

GO_S, HOLD_S = 0.5, 2.0

_CURVED = HandShape((20,) * 4, (20,) * 4, (12,) * 4, 2)
SHAPES: Mapping[Segment, HandShape] = {
    "open": HandShape((0,) * 4, (0,) * 4, (0,) * 4, 2, 45, 20, (0, 0)),
    "fist": HandShape((75,) * 4, (95,) * 4, (60,) * 4, 0, 40, 60, (30, 45)),
    "touch_index": HandShape((45, 20, 20, 20), (34, 20, 20, 20), _CURVED.distal, 2, 49, 81, (14, 22)),
    "touch_middle": HandShape((20, 43, 20, 20), (20, 52, 20, 20), (12, 14, 12, 12), 2, 51, 94, (8, 26)),
    "touch_ring": HandShape((20, 20, 33, 20), (20, 20, 57, 20), (12, 12, 10, 12), 2, 54, 120, (15, 24)),
}
"""What the guide asks for, in its order; touching tips are 1 cm apart, as trackers have it."""


def calibration_trace(hold_s: float = HOLD_S) -> Trace:
    """The whole guide at 72 Hz, each shape held for `hold_s` and marked; the wrist at the origin of the space."""
    poses, marks, before = list[Array](), list[TraceMark](), SHAPES["open"]
    for label, shape in SHAPES.items():
        poses += _go(before.angles(), shape.angles())
        begin_s, before = len(poses) / RATE_HZ, shape
        poses += [_pose(shape.angles())] * round(hold_s * RATE_HZ)
        marks += [TraceMark(begin_s, label, "begin"), TraceMark((len(poses) - 1) / RATE_HZ, label, "end")]
    pose = np.stack(poses).astype(np.float32)
    return Trace(pose, np.ones(len(pose), bool), np.arange(len(pose)) / RATE_HZ, tuple(marks))


def page_shapes() -> str:
    """JSON for the emulated headset: every shape's 25 joints, m in the wrist frame."""
    shapes = {label: _keypoints(shape) for label, shape in SHAPES.items()}
    return json.dumps(shapes, separators=(",", ":")) + "\n"


def _keypoints(shape: HandShape) -> list[list[float]]:
    placed: list[list[float]] = _pose(shape.angles())[:, :3].round(4).tolist()
    return placed


def _pose(angles_deg: Array) -> Array:
    return hand_pose(angles_deg, np.zeros(3), np.eye(3))


def _go(here: Array, there: Array) -> list[Array]:
    shares = minimum_jerk(np.linspace(0, 1, round(GO_S * RATE_HZ)))
    return [_pose(here + share * (there - here)) for share in shares]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page_shapes())
