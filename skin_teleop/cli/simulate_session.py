"""One simulated session: an episode written through the recorder's own log, sealed, labelled and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_folder import change_meta
from dataset_tools.session_log import EVENTS, SessionLog
from drivers.simulated.scripted.actions import Attempt
from drivers.simulated.scripted.checker import TruthSecond, judge
from drivers.simulated.scripted.episode import Episode, play_episode
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.messages import N_TAXELS, Event, JointState, SkinFrame, Truth
from skin_teleop.rig import Rig, WorldConfig
from skin_teleop.transforms import Array

OPERATOR = "script"
PLAN_KEY = "simulate_plan"
"""Key of session.json by which `simulate` knows a session as its own."""
FLUSH_EVERY = 10
"""Skin frames between two writes to the log."""


@dataclass
class SessionWriter:
    """Takes an episode's samples and keeps what the checker needs."""

    log: SessionLog
    rig: Rig
    truths: list[Truth] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def on_skin(self, truth: Truth, counts: Array) -> None:
        """Write the skin and the truth of one skin period; every taxel's value arrives in every frame, so age is 0."""
        age_ms = np.zeros(N_TAXELS, np.uint16)
        stamp = Stamp(truth.t_dev, truth.t_mono, truth.t_wall)
        self.log.add(SkinFrame.stamped(stamp, truth.seq, flux=counts, age_ms=age_ms), self.rig.skin.name)
        self.log.add(truth, "truth")
        self.digest.update(counts.tobytes())
        self.truths.append(truth)
        if truth.seq % FLUSH_EVERY == 0:
            self.log.flush()

    def on_joints(self, state: JointState) -> None:
        """Write one control cycle."""
        self.log.add(state, self.rig.hand.name)

    def mark(self, start: Stamp, label: str, edge: str, at_s: float) -> None:
        """Write an operator's mark at a simulated time."""
        offset = round(at_s * NS_PER_S)
        event = Event.now("mark", 0, label=label, edge=edge)
        self.log.add(dataclasses.replace(event, t_mono=start.t_mono + offset, t_wall=start.t_wall + offset), EVENTS)


def simulate_session(
    folder: Path, rig: Rig, number: int, action: str, object_name: str, seconds: float, seed: int, skin_seed: int
) -> dict[str, Any]:
    """Write one session into a folder and return its line for the ledger."""
    rig = dataclasses.replace(
        rig, world=dataclasses.replace(rig.world or WorldConfig(), seed=skin_seed, object=object_name)
    )
    with SessionLog.create(folder, rig, object_name=object_name, plan=(action,), operator=OPERATOR, live=False) as log:
        change_meta(log.folder, **{PLAN_KEY: {"number": number, "seed": seed, "skin_seed": skin_seed}})
        start = Stamp.now()
        writer = SessionWriter(log, rig)
        seeds = [seed, 1, number]
        episode = play_episode(
            rig,
            action,
            object_name,
            seconds,
            seeds,
            start=start,
            on_skin=writer.on_skin,
            on_joints=writer.on_joints,
        )
        for edge, at_s in zip(("begin", "end"), episode.rest_s):
            writer.mark(start, "rest", edge, at_s)
    sealed = seal_session(log.folder)
    _label(sealed, episode, start)
    return {
        "number": number,
        "session": sealed.name,
        "action": action,
        "object": object_name,
        "seconds": round(len(writer.truths) / 100, 2),
        "sha256_flux": writer.digest.hexdigest(),
        "specimen": _specimen(episode),
        **verdict(episode.attempts, writer.truths),
    }


def _specimen(episode: Episode) -> dict[str, float]:
    drawn = episode.specimen
    return {"mass_kg": drawn.mass_kg, "friction": drawn.friction, "softness_s": drawn.softness_s}


def _label(session: Path, episode: Episode, start: Stamp) -> None:
    """Label what the script kept; the spans are its own phases, contact plays no part."""
    store = LabelStore(open_session(session))
    for attempt in episode.attempts:
        if attempt.kept:
            spans = (start.t_mono + round(at_s * NS_PER_S) for at_s in (attempt.start_s, attempt.end_s))
            store.add(
                attempt.action,
                *spans,
                source="script",
                annotator=OPERATOR,
                attributes={"object": episode.specimen.name},
            )


def verdict(attempts: list[Attempt], truths: list[Truth]) -> dict[str, Any]:
    """Seconds attempted, kept by the script and passed by the checker, and why others were not."""
    t_s = np.array([truth.t_dev for truth in truths]) / NS_PER_S
    seconds = {"attempted_s": 0.0, "kept_s": 0.0, "passed_s": 0.0}
    rejected: Counter[str] = Counter()
    for attempt in attempts:
        length_s = attempt.end_s - attempt.start_s
        seconds["attempted_s"] += length_s
        if not attempt.kept:
            rejected[attempt.reason] += 1
            continue
        seconds["kept_s"] += length_s
        edges = np.linspace(attempt.start_s, attempt.end_s, max(1, round(length_s)) + 1)
        for first_s, last_s in itertools.pairwise(edges):
            rows = np.flatnonzero((t_s > first_s) & (t_s <= last_s))
            problem = judge(attempt.action, truth_second([truths[row] for row in rows]))
            seconds["passed_s"] += 0.0 if problem else float(last_s - first_s)
            rejected[f"checker: {problem}"] += bool(problem)
    return {name: round(value, 2) for name, value in seconds.items()} | {"rejected": dict(+rejected)}


def truth_second(truths: list[Truth]) -> TruthSecond:
    """The columns that the checker reads."""
    return TruthSecond(
        np.array([truth.pad_wrench[:, :3] for truth in truths]),
        np.array([truth.slip for truth in truths]),
        np.array([truth.object_pose for truth in truths]),
        np.array([truth.object_twist for truth in truths]),
        np.array([truth.palm_pose for truth in truths]),
    )
