"""The forces of a press recording: the simulator's truth, or known weights that somebody wrote down."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_tools.reader import Session
from dataset_tools.skin_fit.recording import SkinRecording
from skin_teleop.errors import ConfigError, SessionError
from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.transforms import Array

COLUMNS = ("pad", "start_s", "end_s", "normal_n", "shear_x_n", "shear_y_n")
"""Of a weights file: seconds since the first row of the skin, newtons in the pad's own frame; a weight presses down."""
UNKNOWN_N = 1.0
"""Stands for a force that nobody measured: the shape over time is used, the size is not."""
MAX_N = 200.0
PRESSED_N = 0.5
"""A pad counts as pressed from this force on."""


@dataclass(frozen=True, eq=False)
class Forces:
    """What pressed on the skin at each row of its recording."""

    taxel_n: Array
    """(T, 368, 3) float32 N, pad frame; z is negative where the skin is pressed."""
    known: bool
    """False where sizes are unknown: then gains cannot be told."""
    source: str

    def pressed_pads(self, layout: SkinLayout) -> list[int]:
        """Pads that were pressed at some time."""
        totals = [np.linalg.norm(self.taxel_n[:, pad.taxels].sum(1), axis=-1).max() for pad in layout.pads]
        return [pad.index for pad, total in zip(layout.pads, totals) if total >= PRESSED_N]


def forces_of(session: Session, recording: SkinRecording, weights: Path | None) -> Forces:
    """Forces from a weights file where one is given, else from the session's truth.

    Raises SessionError where there is neither, or no pad was pressed.
    """
    if weights is not None:
        forces = _from_weights(weights, recording)
    elif "truth" in session.streams:
        forces = _from_truth(session, recording)
    else:
        raise SessionError(
            f"forces of {session.path} are needed",
            found="a recording without the stream truth, that is, of a real hand",
            next_step=f"write down what pressed when in a CSV file ({', '.join(COLUMNS)}) and give --weights FILE.csv",
        )
    if not forces.pressed_pads(recording.layout):
        raise SessionError(
            f"{session.path} was to show presses",
            found=f"no pad with {PRESSED_N} N or more in {forces.source}",
            next_step="record presses of at least 5 s on every pad, or simulate them: skin-teleop press-skin",
        )
    return forces


def _from_truth(session: Session, recording: SkinRecording) -> Forces:
    truth = session.streams["truth"]
    after = np.searchsorted(truth.t_mono, recording.t_mono_ns).clip(1, truth.rows - 1)
    nearer = recording.t_mono_ns - truth.t_mono[after - 1] < truth.t_mono[after] - recording.t_mono_ns
    return Forces(truth["taxel_force"].astype(np.float32)[after - nearer], True, "the stream truth")


def _from_weights(path: Path, recording: SkinRecording) -> Forces:
    """Weights laid down flat: an even share for each taxel of the pad."""
    weights = read_weights(path, recording.layout)
    known = [weight.force_n is not None for weight in weights]
    if any(known) and not all(known):
        raise ConfigError(f"normal_n in {path}", found="given in some rows", allowed="in all rows, or in none")
    taxel_n = np.zeros((*recording.flux.shape[:2], 3), np.float32)
    for weight in weights:
        on = np.flatnonzero((recording.t_s >= weight.start_s) & (recording.t_s < weight.end_s))
        force_n = (0.0, 0.0, -UNKNOWN_N) if weight.force_n is None else weight.force_n
        taxel_n[on, weight.pad.taxels] += np.array(force_n, np.float32) / weight.pad.count
    return Forces(taxel_n, all(known), f"the weights of {path.name}")


@dataclass(frozen=True, eq=False)
class Weight:
    """One row of a weights file."""

    pad: Pad
    start_s: float
    end_s: float
    force_n: tuple[float, float, float] | None
    """Pad frame; None where the size is unknown."""


def read_weights(path: Path, layout: SkinLayout) -> list[Weight]:
    """Rows of a weights file; raises ConfigError with the row that is wrong."""
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                found = ", ".join(reader.fieldnames or ("an empty file",))
                raise ConfigError(f"columns of {path}", found=found, allowed=", ".join(COLUMNS))
            return [_weight(row, f"row {number} of {path}", layout) for number, row in enumerate(reader, 1)]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the weights file {path} was asked for", found=str(error)) from error


def _weight(row: dict[str, str], where: str, layout: SkinLayout) -> Weight:
    try:
        start_s, end_s = float(row["start_s"]), float(row["end_s"])
        normal_n = float(row["normal_n"]) if row["normal_n"] else None
        shear_n = [float(row[name] or 0) for name in ("shear_x_n", "shear_y_n")]
    except (ValueError, TypeError) as error:
        raise ConfigError(where, found=str(error), allowed="numbers; normal_n may be blank") from error
    if not (0 <= start_s < end_s < np.inf) or not (normal_n is None or 0 < normal_n <= MAX_N):
        raise ConfigError(where, found=str(row), allowed=f"0 <= start_s < end_s and normal_n up to {MAX_N:.0f} N")
    force_n = None if normal_n is None else (shear_n[0], shear_n[1], -normal_n)
    return Weight(layout.pad(row["pad"]), start_s, end_s, force_n)
