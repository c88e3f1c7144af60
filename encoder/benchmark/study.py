"""Run the benchmark: every row, label budget and seed on the same windows, with intervals over whole recordings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from encoder.benchmark.budgets import BUDGETS, Labelled, labelled_rows
from encoder.benchmark.rows import Material, Row
from encoder.benchmark.scores import Interval, drawn_scores, draws_of, interval, sums_of
from encoder.benchmark.tasks import Task, tasks_of
from encoder.session_data import TactileRecording
from encoder.splits import LeaveOut, part_of_recordings
from encoder.windows import HELD_OUT, TRAIN, TactileWindows
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array

FEWEST_JUDGED = 2
PROTOCOL = (
    "SIMULATED skin and contacts. Windows of 0.1 s, evenly in time from each session. Labels are given by session, "
    "budgets of one draw are nested, the ridge's penalty is chosen inside the budget. force: true force on each pad "
    "and axis (at most 10 N a pad), R2 weighted by variance; contact: force above 0.15 N on a pad; pose change: shift "
    "and turn of the object in the palm over the window, R2 of mm and degrees; action: label or none; object: among "
    "sessions of known objects, all others among left-out objects where objects are left out. Mean over seeds and "
    "draws of labels; 95 % intervals from drawing held-out sessions, draws of labels and seeds of pretraining again, "
    "2000 times; differences are of the same draws"
)


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """How much is asked."""

    budgets: tuple[float, ...] = BUDGETS
    seeds: int = 5
    """Draws of the labelled sessions."""
    windows_per_session: int = 16

    def draws_for(self, budget: float) -> int:
        """How often labels are drawn; all of them can be drawn in one way only."""
        return self.seeds if budget < 1 else 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One score: a row, or the difference of two of them, on one task with one budget."""

    row: str
    task: str
    metric: str
    budget: float
    episodes: int
    score: Interval
    minus: str = ""
    """The row that was taken away, where this is a difference."""
    core_s: float = 0.0
    """Mean over seeds: pretraining, features and head; 0 for a difference."""


def material_of(
    recordings: Sequence[TactileRecording], leave_out: LeaveOut, geometry: str, windows_per_session: int
) -> Material:
    """Pick windows evenly in time from each recording; raises SessionError where too few recordings are held out."""
    part = part_of_recordings(recordings, leave_out)
    if (part == HELD_OUT).sum() < FEWEST_JUDGED:
        raise SessionError(
            "a benchmark was asked for",
            found=f"{(part == HELD_OUT).sum()} held-out sessions",
            allowed=f"at least {FEWEST_JUDGED}, better 20",
            next_step="--leave-objects A,B or --leave-sessions NAME,NAME",
        )
    windows = TactileWindows(recordings, geometry=geometry, parts=part)
    rows = np.concatenate(
        [_evenly(np.flatnonzero(windows.recording == k), windows_per_session) for k in range(len(recordings))]
    )
    train = windows.part[rows] == TRAIN
    return Material(windows, rows, train, tasks_of(windows, rows), np.flatnonzero(~train))


def judged_for(task: Task, material: Material, leave_out: LeaveOut) -> Array:
    """(m,) bool: which judged windows a task is scored on (see PROTOCOL)."""
    recordings = material.windows.recordings
    of_left_out = np.array([recording.object_name in leave_out.objects for recording in recordings])
    unseen = of_left_out[material.windows.recording[material.rows[material.judge]]]
    if task.name == "object":
        return ~unseen
    return unseen if unseen.any() else ~unseen


def run_row(row: Row, material: Material, leave_out: LeaveOut, plan: StudyPlan) -> dict[tuple[str, float], Array]:
    """(task, budget) to sums (members, seeds, R, S) over the judged recordings; seconds under ("core_s", budget)."""
    of_row = material.windows.recording[material.rows]
    judged_recording = of_row[material.judge]
    found: dict[tuple[str, float], Array] = {}
    for budget in plan.budgets:
        began = time.process_time()
        draws = [labelled_rows(of_row, material.train, budget, seed) for seed in range(plan.draws_for(budget))]
        answers = [[member(draw, seed) for seed, draw in enumerate(draws)] for member in row.members]
        spent_s = (time.process_time() - began) / (len(draws) * len(row.members))
        found["core_s", budget] = np.array(row.core_s + spent_s)
        for index, task in enumerate(material.tasks):
            mask = judged_for(task, material, leave_out)
            if mask.any():
                truth, recording = task.values[material.judge][mask], judged_recording[mask]
                found[task.name, budget] = np.array(
                    [
                        [sums_of(task.kind, truth, told[index][mask], recording) for told in of_member]
                        for of_member in answers
                    ]
                )
    return found


def run_study(
    rows: Sequence[Row],
    judged: Sequence[str],
    material: Material,
    leave_out: LeaveOut,
    plan: StudyPlan,
    say: Callable[[str], None],
) -> list[Cell]:
    """Scores of every row, and paired differences of the rows named in `judged` to each other row."""
    sums: dict[str, dict[tuple[str, float], Array]] = {}
    for row in rows:
        say(f"judging: {row.name}")
        sums[row.name] = run_row(row, material, leave_out, plan)
    cells = []
    for task in material.tasks:
        for budget in plan.budgets:
            if (task.name, budget) in sums[rows[0].name]:
                cells += _cells(task, budget, sums, judged, _episodes(material, budget))
    return cells


def _cells(
    task: Task, budget: float, sums: dict[str, dict[tuple[str, float], Array]], judged: Sequence[str], episodes: int
) -> list[Cell]:
    key = (task.name, budget)
    recordings = next(iter(sums.values()))[key].shape[2]
    draws = draws_of(recordings)
    drawn = {name: drawn_scores(task.kind, of_row[key], draws) for name, of_row in sums.items()}
    about = (task.name, task.metric, budget, episodes)
    cells = [
        Cell(name, *about, interval(values), core_s=float(sums[name]["core_s", budget]))
        for name, values in drawn.items()
    ]
    pairs = [(ours, other) for ours in judged for other in drawn if other not in judged]
    return cells + [Cell(ours, *about, interval(drawn[ours] - drawn[other]), minus=other) for ours, other in pairs]


def _episodes(material: Material, budget: float) -> int:
    labelled: Labelled = labelled_rows(material.windows.recording[material.rows], material.train, budget, 0)
    return labelled.episodes


def _evenly(rows: Array, count: int) -> Array:
    picked: Array = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]
    return picked
