"""Contact proposals beside the labels of simulated scripts, whose times come from the script and not from contact."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dataset_tools.catalogue import session_folders
from dataset_tools.labels import LabelStore
from dataset_tools.proposal_quality import Score, Span, overlapping, score, stretches
from dataset_tools.proposals import contacts_in, pad_energy
from dataset_tools.reader import Session, open_session
from dataset_tools.second_opinion import agreement_facts
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import skin_layout

PARTS = ("starts", "ends", "spans")


@dataclass
class ActionScores:
    """Sums over the sessions of one action."""

    sessions: int = 0
    parts: dict[str, Score] = field(default_factory=lambda: dict.fromkeys(PARTS, Score()))
    second: Counter[bool] = field(default_factory=Counter)
    """Proposals on which the second method agreed, and on which it did not."""

    def to_json(self) -> dict[str, Any]:
        """Recall and precision of each part, in plain values."""
        rows = {n: {"recall": s.recall, "precision": s.precision, "there": s.there} for n, s in self.parts.items()}
        asked = sum(self.second.values())
        return {"sessions": self.sessions, **rows, "ruptures_agrees": self.second[True] / asked if asked else None}


def bench_proposals(folders: Iterable[Path]) -> dict[str, Any]:
    """Figures by action over all sessions in the folders that a script labelled; raises ConfigError without any."""
    folders = list(folders)
    found: dict[str, ActionScores] = {}
    for path in (session for folder in folders for session in session_folders(folder)):
        _add(found, open_session(path))
    if not found:
        raise ConfigError(
            "sessions with labels of a script were asked for",
            found=f"none in {', '.join(map(str, folders)) or 'no folder'}",
            next_step="skin-teleop simulate --out FOLDER, then skin-teleop bench proposals FOLDER",
        )
    return {"tolerance_ms": 250, "actions": {name: found[name].to_json() for name in sorted(found)}, "simulated": True}


def _add(found: dict[str, ActionScores], session: Session) -> None:
    """Compare the proposals of one session with its script; sessions without a script's labels are left out."""
    there = stretches(label for label in LabelStore(session).current() if label.source == "script")
    if len(there) != 1:  # a script does one action a session
        return
    ((action, spans),) = there.items()
    proposed, agreed = _proposals(session)
    scores = found.setdefault(action, ActionScores())
    scores.sessions += 1
    compared = (score(spans, proposed, 0), score(spans, proposed, 1), overlapping(spans, proposed))
    for part, more in zip(PARTS, compared):
        scores.parts[part] += more
    scores.second.update(agreed)


def _proposals(session: Session) -> tuple[list[Span], list[bool]]:
    rig = session.meta["rig"]["skin"]
    skin, layout = session.streams[rig["name"]], skin_layout(rig["layout"])
    energy = pad_energy(skin, layout, session.rest_span_ns)
    spans = [(contact.start_ns, contact.end_ns) for contact in contacts_in(energy, skin.t_mono, layout)]
    if importlib.util.find_spec("ruptures") is None:
        return spans, []
    total = energy.max(axis=1)
    return spans, [agreement_facts(total, skin.t_mono, span)["ruptures_agrees"] for span in spans]


def show_proposals(figures: dict[str, Any]) -> None:
    """A row for each action: recall and precision."""
    table = Table("action", "sessions", "stretches", *PARTS, "ruptures agrees", box=None, header_style="dim")
    for name, row in figures["actions"].items():
        cells = (f"{row[part]['recall']:.2f} / {row[part]['precision']:.2f}" for part in PARTS)
        share = "not asked" if row["ruptures_agrees"] is None else f"{row['ruptures_agrees']:.2f}"
        table.add_row(name, str(row["sessions"]), str(row["starts"]["there"]), *cells, share)
    Console().print(table)
    Console().print(
        f"recall / precision of proposed contacts; starts and ends within {figures['tolerance_ms']} ms, spans by an "
        "overlap of more than half",
        highlight=False,
    )
