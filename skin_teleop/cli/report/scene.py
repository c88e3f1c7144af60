"""Moments of a simulated session, drawn again from what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dataset_tools.labels import Label
from dataset_tools.reader import Session
from drivers.simulated.render import Camera, render
from drivers.simulated.scene import scene_at
from drivers.simulated.skin_paint import SkinPaint
from skin_teleop.rig import Rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array, rotation_from_quaternion

WIDTH, HEIGHT = 520, 390
BEFORE_FALL_ROWS = 60
"""An object is seen in the hand this many rows of `truth` before it falls fastest: 0.6 s in real time."""
_OVER_BOX = Camera(position_m=(0.30, 0.06, 0.33), target_m=(-0.05, -0.19, 0.07))


def moments(session: Session, labels: Sequence[Label]) -> list[tuple[str, int]]:
    """Caption and row of `truth` of what is worth seeing: the hand at rest, then the height of every action."""
    truth = session.streams["truth"]
    force_n = np.linalg.norm(truth["taxel_force"], axis=-1).sum(1)
    pose = truth["object_pose"]
    seen: list[tuple[str, int]] = []
    for name in dict.fromkeys(label.label for label in labels):
        label = next(each for each in labels if each.label == name)
        first, last = np.searchsorted(truth.t_mono, [label.t_start_mono_ns, label.t_end_mono_ns])
        if name == "rest":
            seen.append(("at rest", int(first + last) // 2))
        elif name == "rotation":
            seen.append((name, int(first) + _most_turned(pose[first:last])))
        elif name == "pick-and-drop":
            falling = int(first) + int(np.argmin(np.diff(pose[first:last, 2])))
            seen.append(("picked up", max(int(first), falling - BEFORE_FALL_ROWS)))
            seen.append(("dropped", falling))
        elif name in ("squeeze", "pressing"):
            seen.append((name, int(first) + int(np.argmax(force_n[first:last]))))
    return seen


def _most_turned(object_pose: Array) -> int:
    rotations = rotation_from_quaternion(object_pose[:, 3:])
    return int(np.argmin(np.einsum("tij,ij->t", rotations, rotations[0])))


def draw_moments(session: Session, rig: Rig, labels: Sequence[Label]) -> Iterator[tuple[str, Array]]:
    """Caption and picture (H, W, 3) uint8 of every moment; taxels glow with the force on them."""
    truth, hand = session.streams["truth"], session.streams[rig.hand.name]
    joints = hand["position"]
    layout = skin_layout(rig.skin.layout)
    for caption, row in moments(session, labels):
        t_ns = int(truth.t_mono[row])
        joint_row = min(int(np.searchsorted(hand.t_mono, t_ns)), hand.rows - 1)
        columns = {name: truth.read(name, row, row + 1)[0] for name in ("palm_pose", "scene_pose", "taxel_force")}
        model, data = scene_at(rig, joints[joint_row], columns["palm_pose"], columns["scene_pose"])
        glow = SkinPaint(layout, np.linalg.norm(columns["taxel_force"], axis=-1))
        camera = _OVER_BOX if caption == "pressing" else Camera()
        picture = render(model, data, camera, WIDTH, HEIGHT, skin=glow)
        yield f"{caption}, {(t_ns - session.start_ns) / 1e9:.1f} s", picture
