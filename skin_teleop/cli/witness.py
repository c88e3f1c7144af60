"""Did the labelled actions really happen? Judged by the simulated world's truth, never by the operator's intention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dataset_tools.labels import Label
from dataset_tools.reader import Session
from skin_teleop.transforms import Array, rotation_from_quaternion

TOUCH_N = 2.0
TURN_DEG = 15.0
LIFT_M = 0.03


def unwitnessed_actions(session: Session, labels: Sequence[Label]) -> list[str]:
    """One sentence for every labelled action that the truth does not bear out; empty when all happened."""
    truth = session.streams["truth"]
    sentences = []
    for label in labels:
        judge = _JUDGES.get(label.label)
        if judge is None:
            continue
        inside = slice(*np.searchsorted(truth.t_mono, [label.t_start_mono_ns, label.t_end_mono_ns]))
        first, last = int(inside.start), int(inside.stop)
        force_n = np.linalg.norm(truth.read("taxel_force", first, last), axis=-1).sum(1)
        complaint = judge(force_n, truth.read("object_pose", first, last))
        if complaint:
            sentences.append(f"{label.label}: {complaint}")
    return sentences


def _touched(force_n: Array, object_pose: Array) -> str:
    peak = float(force_n.max(initial=0.0))
    return "" if peak >= TOUCH_N else f"the skin felt {peak:.2f} N at most, {TOUCH_N} N are needed"


def _turned(force_n: Array, object_pose: Array) -> str:
    rotations = rotation_from_quaternion(object_pose[:, 3:])
    cosines = (np.einsum("tij,ij->t", rotations, rotations[0]) - 1) / 2
    turn = float(np.rad2deg(np.arccos(np.clip(cosines, -1, 1))).max())
    return _touched(force_n, object_pose) or (
        "" if turn >= TURN_DEG else f"the object turned by {turn:.0f} degrees, {TURN_DEG:.0f} are needed"
    )


def _lifted_and_dropped(force_n: Array, object_pose: Array) -> str:
    height = object_pose[:, 2]
    lift, fall = float(height.max() - height[0]), float(height.max() - height[-1])
    return _touched(force_n, object_pose) or (
        ""
        if min(lift, fall) >= LIFT_M
        else f"the object rose {lift * 1000:.0f} mm and fell {fall * 1000:.0f} mm, {LIFT_M * 1000:.0f} mm are needed"
    )


_JUDGES: dict[str, Callable[[Array, Array], str]] = {
    "squeeze": _touched,
    "pressing": _touched,
    "rotation": _turned,
    "pick-and-drop": _lifted_and_dropped,
}
