"""Judges scripted actions second by second from the truth alone; it knows nothing of the scripts.

Limits are design choices: what a person who watched that second would call the action.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skin_teleop.transforms import Array

LARGEST_PAD_N = 20.0
"""Overload of a taxel pad that no script may cause (uSPa46: 20 N per cell)."""
TOUCH_N = 0.15
LARGEST_STEP_N = 12.0
"""A jump of a pad's force between two frames, N: a collision rather than an action."""
HELD_M = 0.15


@dataclass(frozen=True)
class TruthSecond:
    """About a second of the stream `truth`."""

    pad_force_n: Array
    """(n, 18, 3) N, pad frame."""
    slip_m_per_s: Array
    """(n, 18)."""
    object_pose: Array
    """(n, 7)."""
    object_twist: Array
    """(n, 6)."""
    palm_pose: Array
    """(n, 7)."""


def judge(action: str, second: TruthSecond) -> str:
    """Why this second does not show the action, or an empty text when it does."""
    size = np.linalg.norm(second.pad_force_n, axis=-1)  # (n, 18)
    if size.max() > LARGEST_PAD_N:
        return f"a pad feels {size.max():.0f} N"
    if len(size) > 1 and np.abs(np.diff(size, axis=0)).max() > LARGEST_STEP_N:
        return "a force jumps"
    total = size.sum(-1)
    if (total > TOUCH_N).mean() < (0.2 if action == "pick-and-drop" else 0.6):
        return "nothing is touched"
    return _JUDGES[action](second, total)


def _squeeze(second: TruthSecond, total: Array) -> str:
    if _apart_m(second).max() > HELD_M:
        return "the object is not in the hand"
    return "" if np.ptp(total) > 0.25 * total.mean() else "the grip does not change"


def _slide(second: TruthSecond, total: Array) -> str:
    return "" if second.slip_m_per_s.max(-1).mean() > 0.01 else "nothing slides"


def _rotation(second: TruthSecond, total: Array) -> str:
    if _apart_m(second).max() > HELD_M:
        return "the object is not in the hand"
    return "" if np.linalg.norm(second.object_twist[:, 3:], axis=-1).mean() > 0.1 else "the object does not turn"


def _pick_and_drop(second: TruthSecond, total: Array) -> str:
    return "" if np.ptp(second.object_pose[:, 2]) > 0.015 else "the object neither rises nor falls"


def _circumduction(second: TruthSecond, total: Array) -> str:
    if _apart_m(second).max() > HELD_M:
        return "the object is not in the hand"
    velocity = second.object_twist[:, [0, 2]]
    speed = np.linalg.norm(velocity, axis=-1)
    heading = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
    return "" if speed.mean() > 0.03 and abs(heading[-1] - heading[0]) > np.pi / 4 else "the object draws no circle"


def _pressing(second: TruthSecond, total: Array) -> str:
    normal = -second.pad_force_n[..., 2].sum(-1)
    return "" if np.ptp(normal) > 0.5 and normal.max() > 1.0 else "the pressure does not change"


def _articulation(second: TruthSecond, total: Array) -> str:
    turning = np.abs(second.object_twist[:, 3:]).max(-1).mean()
    return "" if turning > 0.1 else "the joint does not move"


def _apart_m(second: TruthSecond) -> Array:
    return np.asarray(np.linalg.norm(second.object_pose[:, :3] - second.palm_pose[:, :3], axis=-1))


_JUDGES = {
    "squeeze": _squeeze,
    "slide": _slide,
    "rotation": _rotation,
    "pick-and-drop": _pick_and_drop,
    "circumduction": _circumduction,
    "pressing": _pressing,
    "wiping": _slide,
    "articulation": _articulation,
}
