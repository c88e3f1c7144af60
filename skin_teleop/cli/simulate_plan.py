"""What `skin-teleop simulate` has to do, and what of it lies in the folder already."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.durable import write_durably
from drivers.simulated.scripted.actions import suits
from skin_teleop.errors import ConfigError

LEDGER = "simulate.jsonl"
"""First line the plan, then one line a finished session."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides what is simulated; the same plan gives the same rows, whatever the number of workers."""

    objects: tuple[str, ...]
    actions: tuple[str, ...]
    sessions: int
    seconds: float
    seed: int
    skin_seed: int
    rig: str = "simulated"
    """Built-in name or path."""

    def episodes(self) -> Iterator[tuple[int, str, str]]:
        """Number, action and object of every session: all pairs that suit, in a new random order every round.

        Raises ConfigError when no pair suits.
        """
        pairs = [(action, thing) for action in self.actions for thing in self.objects if suits(action, thing)]
        if not pairs:
            raise ConfigError(
                f"actions {', '.join(self.actions)} with objects {', '.join(self.objects)}",
                allowed="articulation with flap, the other actions with any other object",
            )
        rng = np.random.default_rng([self.seed, 0])
        order: list[int] = []
        for number in range(self.sessions):
            order = order or rng.permutation(len(pairs)).tolist()
            yield number, *pairs[order.pop()]


class Ledger:
    """The file beside the sessions that says which of them are finished."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Begin or continue; raises ConfigError when the folder belongs to another plan."""
        self._file = folder / LEDGER
        self.finished: dict[int, dict[str, Any]] = {}
        wanted = json.loads(json.dumps(asdict(plan)))
        written = self._file.read_text().splitlines() if self._file.is_file() else []
        lines = [json.loads(line) for line in written if _is_json(line)]
        if not lines:
            make_folder(folder, "sessions")
            write_durably(self._file, json.dumps(wanted).encode() + b"\n")
            return
        first, *rows = lines
        if first | {"sessions": 0} != wanted | {"sessions": 0}:
            raise ConfigError(
                f"sessions in {folder} were asked for",
                found="the folder holds sessions of other options: " + json.dumps(first),
                next_step="give the same options to go on, or another --out",
            )
        self.finished = {row["number"]: row for row in rows if (folder / row["session"]).is_dir()}

    def note(self, row: dict[str, Any]) -> None:
        """Note a finished session; a line that a kill cut short is ended first."""
        with self._file.open("r+b") as file:
            cut = not file.read().endswith(b"\n")
            file.write(b"\n" * cut + json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.finished[row["number"]] = row


def make_folder(folder: Path, what: str) -> None:
    """Make a folder and those above it; raises ConfigError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"a folder for {what} at {folder}", found=error.strerror, next_step="give another one"
        ) from error


def _is_json(line: str) -> bool:
    """False for a line that a kill cut short."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
