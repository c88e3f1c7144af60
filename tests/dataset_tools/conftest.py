"""A rig whose sessions go to a temporary folder, and sessions with known content."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.session_log import SessionLog
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.messages import Event, HandPose, JointState, Sample, SkinFrame, Truth
from skin_teleop.rig import Rig, load_rig

T0_NS = NS_PER_S
"""t_mono of the first row of a made-up session: just after this host started, so before every event stamped now."""


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = load_rig("simulated").with_recordings_in(tmp_path / "sessions")
    return dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))


def stamp(seconds: float, factor: float = 1.0) -> Stamp:
    t_ns = round(seconds * NS_PER_S)
    return Stamp(round(t_ns * factor), T0_NS + t_ns, 1_700_000_000 * NS_PER_S + t_ns)


def skin_frame(k: int, seconds: float, touched: bool) -> SkinFrame:
    flux = 33_000 + np.random.default_rng(k).integers(-3, 4, (368, 3))
    if touched:
        flux[100:116, 2] += 400  # taxels 100 to 115, z
    return SkinFrame.stamped(stamp(seconds), k, flux=flux.astype(np.uint16), age_ms=np.full(368, k % 1000, np.uint16))


def joint_state(k: int, seconds: float) -> JointState:
    values = np.arange(16, dtype=np.float32)
    return JointState.stamped(
        stamp(seconds),
        k,
        position=values + k,
        velocity=values,
        target=values,
        torque_command=values,
        target_seq=k,
        t_command=k,
    )


def hand_pose(k: int, seconds: float) -> HandPose:
    return HandPose.stamped(
        stamp(seconds), k, pose=np.full((2, 25, 7), k, np.float32), valid=np.array([0, 1], np.uint8)
    )


def truth(k: int, seconds: float) -> Truth:
    zeros = {name: np.zeros(Truth.row_dtype()[name].shape, np.float32) for name in Truth.row_dtype().names[5:]}
    return Truth.stamped(stamp(seconds, factor=0.8), k, **zeros | {"phase": 3})


def event(seconds: float, name: str, **facts: object) -> Event:
    return dataclasses.replace(Event.now(name, 0, **facts), t_mono=stamp(seconds).t_mono)


def made_up_rows(seconds: float, contact_s: tuple[float, float]) -> list[tuple[str, Sample]]:
    rows: list[tuple[float, str, Sample]] = []
    for k in range(round(seconds * 100)):
        t = k / 100
        rows.append((t, "uskin", skin_frame(k, t, contact_s[0] <= t < contact_s[1])))
        rows.append((t, "truth", truth(k, t)))
    rows += [(k / 333, "allegro", joint_state(k, k / 333)) for k in range(round(seconds * 333))]
    rows += [(k / 72, "hand_pose", hand_pose(k, k / 72)) for k in range(round(seconds * 72))]
    return [(name, row) for _, name, row in sorted(rows, key=lambda row: (row[0], row[1]))]


Record = Callable[..., Path]


@pytest.fixture
def record(rig: Rig) -> Record:
    """Write a stopped session of 3 s, touched from 1.2 s to 2.0 s, and return its `.rec` folder."""

    def write(
        seconds: float = 3.0,
        contact_s: tuple[float, float] = (1.2, 2.0),
        marks: tuple[tuple[float, str, str], ...] = (),
        drops: dict[str, int] | None = None,
        live: bool = True,
    ) -> Path:
        folder = Path(rig.recorder.folder)
        with SessionLog.create(folder, rig, object_name="can", operator="p1", live=live) as session:
            for count, (stream, row) in enumerate(made_up_rows(seconds, contact_s)):
                session.add(row, stream)
                if count % 30 == 0:
                    session.flush()
            for t, label, edge in marks:
                session.add(event(t, "mark", label=label, edge=edge), "events")
            for stream, dropped in (drops or {}).items():
                session.add_drops(stream, dropped)
        return session.folder

    return write
