"""What a probe has to say about a window: force, contact, action, object and how the object moves.

All tasks are columns of one target matrix, classes as one column each, so that one linear solve serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataset_tools.labels import ACTIONS
from encoder.probe import CONTACT_N, FORCE_RANGE_N
from encoder.session_data import TactileRecording
from encoder.windows import WINDOW_FRAMES, TactileWindows
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array

Kind = Literal["amount", "flags", "class"]


@dataclass(frozen=True, eq=False)
class Task:
    """One thing to be told from a window."""

    name: str
    kind: Kind
    """`amount`: numbers; `flags`: each column is true or false by itself; `class`: one column is true."""
    values: Array
    """(n, k) float64"""

    @property
    def metric(self) -> str:
        """What is reported: R2 weighted by variance, or recall averaged over classes."""
        return "R2" if self.kind == "amount" else "balanced accuracy"


def tasks_of(windows: TactileWindows, rows: Array) -> list[Task]:
    """Every task whose answer is known; raises SessionError where there is no truth. A moment without label is one."""
    picks = windows.frames_of(rows)
    if not windows.have_truth:
        raise SessionError(
            "a benchmark was asked for",
            found="sessions without the stream 'truth'",
            allowed="sessions of a simulated rig",
            next_step="skin-teleop simulate --out FOLDER",
        )
    force_n = np.stack([_force_n(recording, start + WINDOW_FRAMES - 1) for recording, start in picks])  # (n, 18, 3)
    tasks = [
        Task("force", "amount", force_n.reshape(len(rows), -1)),
        Task("contact", "flags", (np.linalg.norm(force_n, axis=-1) > CONTACT_N).astype(float)),
    ]
    if all(recording.object_in_palm is not None for recording in windows.recordings):
        tasks.append(Task("pose change", "amount", np.stack([_pose_change(*pick) for pick in picks])))
    if any(recording.action is not None for recording in windows.recordings):
        tasks.append(Task("action", "class", _one_hot([_action(*pick) for pick in picks], ["", *ACTIONS])))
    names = sorted({recording.object_name for recording in windows.recordings})
    if len(names) > 1:
        tasks.append(Task("object", "class", _one_hot([recording.object_name for recording, _ in picks], names)))
    return tasks


def _force_n(recording: TactileRecording, frame: int) -> Array:
    """(18, 3) true force on each pad, N; a stronger one is shortened to the range of a taxel (see encoder.probe)."""
    known = recording.pad_force_xyz_n
    force: Array = np.zeros((18, 3)) if known is None else known[frame].astype(float)
    size = np.linalg.norm(force, axis=-1, keepdims=True)
    shortened: Array = force * np.minimum(1, FORCE_RANGE_N / np.maximum(size, FORCE_RANGE_N))
    return shortened


def _pose_change(recording: TactileRecording, start: int) -> Array:
    """(6,) shift in mm and turn in degrees (small-angle rotation vector) of the object in the palm over the window."""
    poses = recording.object_in_palm
    if poses is None:
        return np.zeros(6)
    first, last = poses[start].astype(float), poses[start + WINDOW_FRAMES - 1].astype(float)
    turn = last[:, :3] @ first[:, :3].T
    skew = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    return np.concatenate([1000 * (last[:, 3] - first[:, 3]), np.rad2deg(skew)])


def _action(recording: TactileRecording, start: int) -> str:
    """The label at the window's last frame, empty where none stands."""
    index = -1 if recording.action is None else int(recording.action[start + WINDOW_FRAMES - 1])
    return "" if index < 0 else ACTIONS[index]


def _one_hot(names: Sequence[str], vocabulary: Sequence[str]) -> Array:
    columns = np.array([vocabulary.index(name) for name in names])
    flags: Array = np.eye(len(vocabulary))[columns]
    return flags
