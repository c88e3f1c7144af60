"""The folder of a pretraining run: what it was asked to do, its metrics, and whether it is finished.

`run.json` and the last three `training-STEP.safetensors` exist while a run may be resumed; `model.safetensors` marks
it as finished, and a finished run is never written again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from dataset_tools.durable import replace_durably
from encoder.tensorboard_events import EventFile
from skin_teleop.errors import ConfigError, TrainingError

RUN_FILE = "run.json"
STATE_FILES = "training-*.safetensors"
METRICS_FILE = "metrics.jsonl"
MODEL_FILE = "model.safetensors"
EXTENSION_FILE = "extend.safetensors"
"""State after the last step of a finished run; only an extension needs it, and it may be deleted."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What makes a run repeatable, beside its data."""

    preset: str
    steps: int
    seed: int
    geometry: str
    bf16: bool
    data_fingerprints: dict[str, str]
    """Sessions, of extended runs as well, to SHA-256 of what the encoder sees of them (encoder.provenance)."""
    objective: str = "sparsh"
    extends: str = ""
    """Name of the finished run that this one goes on from."""
    steps_before: int = 0
    """Steps that were done before this run's first one, so that it draws other windows."""
    augment: bool = False
    """Whether windows are shown as other skins would have felt them."""
    simulated_sessions: int = 0
    """How many of the sessions were simulated."""


def new_folder(parent: Path, preset: str) -> Path:
    """A folder name that does not exist yet: `<utc>_<preset>`."""
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + f"_{preset}"
    folder, n = parent / name, 2
    while folder.exists():
        folder, n = parent / f"{name}_{n}", n + 1
    return folder


def newest_unfinished(parent: Path) -> Path:
    """The newest run that can be resumed; raises ConfigError where there is none."""
    runs = [path.parent for path in parent.glob(f"*/{RUN_FILE}") if not is_finished(path.parent)]
    if not runs:
        raise ConfigError(f"an unfinished run in {parent} was asked for", found="none", next_step="leave out --resume")
    return max(runs, key=lambda run: (run / RUN_FILE).stat().st_mtime_ns)


def is_finished(folder: Path) -> bool:
    """True where the folder holds an exported encoder."""
    return (folder / MODEL_FILE).exists()


def refuse_overwriting(folder: Path) -> None:
    """Raise ConfigError where the folder holds a finished run or anything else that is not an unfinished run."""
    if is_finished(folder):
        raise ConfigError(f"a run in {folder} was asked for", found="a finished run", next_step="choose another --out")
    if folder.exists() and not (folder / RUN_FILE).exists() and any(folder.iterdir()):
        raise ConfigError(
            f"a run in {folder} was asked for",
            found="a folder with other files",
            allowed="a new or empty folder, or an unfinished run",
            next_step="choose another --out",
        )


def unfinished_settings(folder: Path) -> RunSettings | None:
    """Settings of the unfinished run in a folder, None where there is none; raises ConfigError when unreadable."""
    path = folder / RUN_FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunSettings)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"the run in {folder} cannot be resumed", found=str(error)) from error


def begin(folder: Path, settings: RunSettings) -> None:
    """Write down what the run is about."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / RUN_FILE, msgspec.json.format(msgspec.json.encode(settings)))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never half of it, also after a power loss."""
    write_through(path, lambda file: file.write(content))


def write_through(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file, then put it in place at once; where that fails, the old file stays as it was."""
    with _room_for(path):
        replace_durably(path, write)


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """A full disk, or a folder that cannot be written, as a TrainingError."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path} was to be written",
            found=str(error),
            next_step="make room or choose another folder; what was there before is untouched",
        ) from error


def stored_states(folder: Path) -> list[Path]:
    """Files with the state of an unfinished run, newest first."""
    return sorted(folder.glob(STATE_FILES), reverse=True)


class MetricsLog:
    """One JSON row a step that is logged; rows at or after the step of a resume are taken back."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path = folder / METRICS_FILE
        kept = [row for row in read_metrics(folder) if row["step"] < first_step]
        write_atomically(self._path, b"".join(_line(row) for row in kept))
        with _room_for(folder):
            self._events = EventFile(folder)
            for row in kept:
                self._show(row)

    def append(self, row: dict[str, Any]) -> None:
        """Add a row, here and in the run's TensorBoard events; raises TrainingError where the disk is full."""
        with _room_for(self._path):
            with self._path.open("ab") as file:
                file.write(_line(row))
            self._show(row)

    def _show(self, row: dict[str, Any]) -> None:
        told = {name: value for name, value in row.items() if name not in ("step", "alarms") and value is not None}
        self._events.scalars(row["step"], told)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """All whole rows of a run's metrics, None where a figure was no number; a row cut short by a crash is left out."""
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _line(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(row) + b"\n"  # NaN and infinities, which JSON does not know, become null
