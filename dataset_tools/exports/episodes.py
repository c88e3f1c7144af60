"""Labelled spans of sessions as episodes at one frame rate, for tools that know only one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dataset_tools.labels import LabelStore
from dataset_tools.reader import Session
from dataset_tools.windows import held_at
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

SETTLED = ("labelled", "reviewed", "gold")
"""States of labels that become episodes; a proposal is nobody's word yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One labelled span on a grid of frames. Every value is the newest one measured by then, none is interpolated."""

    task: str
    session: str
    t_mono_ns: Array
    """(n,) int64 times of the frames."""
    state: Array
    """(n, 16) float32 measured joint angles, rad."""
    action: Array
    """(n, 16) float32 joint targets in use, rad."""
    tactile: Array
    """(n, 368, 3) float32 raw counts."""
    tactile_age_s: Array
    """(n,) float32 s since the skin frame was received."""


def episodes(session: Session, fps: int) -> Iterator[Episode]:
    """The settled labels of a session as episodes, by start; the whole session where there are none.

    Frames exist where both skin and joints do: an episode ends with the first of them, however far an event or a label
    reaches. Raises SessionError when the session has no skin or no joints.
    """
    names = [session.meta["rig"][part]["name"] for part in ("skin", "hand")]
    missing = [name for name in names if name not in session.streams]
    if missing:
        raise SessionError(f"{session.path} cannot become episodes", found=f"no stream {', '.join(missing)}")
    stamps = [session.streams[name].t_mono for name in names]
    first_ns, last_ns = max(int(times[0]) for times in stamps), min(int(times[-1]) for times in stamps)
    for task, start_ns, end_ns in _spans(session):
        times_ns = np.arange(max(start_ns, first_ns), min(end_ns, last_ns + 1), NS_PER_S // fps)
        if len(times_ns):
            yield _episode(session, names[0], names[1], task, times_ns)


def _spans(session: Session) -> list[tuple[str, int, int]]:
    held = session.meta["object"]
    labels = [label for label in LabelStore(session).current() if label.state in SETTLED]
    spans = [
        (
            " ".join(filter(None, (label.label, label.attributes.get("object", held)))),
            label.t_start_mono_ns,
            label.t_end_mono_ns,
        )
        for label in labels
    ]
    return spans or [(" ".join(filter(None, ("unlabelled", held))), session.start_ns, session.end_ns)]


def _episode(session: Session, skin: str, hand: str, task: str, times_ns: Array) -> Episode:
    joints = session.streams[hand]
    tactile = held_at(session.streams[skin], "flux", times_ns)
    return Episode(
        task=task,
        session=str(session.meta["id"]),
        t_mono_ns=times_ns,
        state=held_at(joints, "position", times_ns).values,
        action=held_at(joints, "target", times_ns).values,
        tactile=tactile.values.astype(np.float32),
        tactile_age_s=(tactile.age_ns / NS_PER_S).astype(np.float32),
    )
