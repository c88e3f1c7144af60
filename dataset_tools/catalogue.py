"""What a collection of sessions holds: one entry a session, filters, and hours by action and object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataset_tools.labels import LabelStore
from dataset_tools.reader import Session, open_session
from dataset_tools.session_folder import META_FILE
from skin_teleop.clock import NS_PER_S

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class LabelTime:
    """Seconds of one kind of label in one session."""

    label: str
    object: str
    quality: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions are asked for; an empty word asks for all."""

    object: str = ""
    action: str = ""
    operator: str = ""
    quality: str = ""
    min_seconds: float = 0.0

    def fits(self, session: Session, times: Iterable[LabelTime]) -> bool:
        """Whether a session has what is asked for; object and quality may stand in a label, too."""
        times = list(times)
        objects = {session.meta["object"], *(time.object for time in times)}
        return (
            self.object in ("", *objects)
            and self.action in ("", *(time.label for time in times))
            and self.operator in ("", session.meta["operator"])
            and self.quality in ("", *(time.quality for time in times))
            and session.duration_s >= self.min_seconds
        )


@dataclass
class Hours:
    """Hours of labels by action and object, summed over sessions."""

    by_action: dict[str, float] = field(default_factory=dict)
    by_object: dict[str, float] = field(default_factory=dict)
    sessions: int = 0
    recorded: float = 0.0

    def add(self, session: Session, times: Iterable[LabelTime]) -> None:
        """Count one session; proposals are nobody's word yet and do not count."""
        self.sessions += 1
        self.recorded += session.duration_s / SECONDS_PER_HOUR
        for time in times:
            hours = time.seconds / SECONDS_PER_HOUR
            self.by_action[time.label] = self.by_action.get(time.label, 0.0) + hours
            self.by_object[time.object] = self.by_object.get(time.object, 0.0) + hours

    def to_json(self) -> dict[str, Any]:
        """The sums in plain values."""
        named = {"by_action": self.by_action, "by_object": self.by_object}
        rounded = {name: {word: round(h, 6) for word, h in sums.items()} for name, sums in named.items()}
        return {"sessions": self.sessions, "hours": round(self.recorded, 6)} | rounded


def session_folders(folder: Path) -> list[Path]:
    """Folders of a collection that hold a session, by name."""
    return [path.parent for path in sorted(folder.glob(f"[!.]*/{META_FILE}"))]


def label_times(session: Session) -> list[LabelTime]:
    """Seconds of every settled label of a session."""
    labels = [label for label in LabelStore(session).current() if label.state != "proposed"]
    return [
        LabelTime(
            label.label,
            str(label.attributes.get("object", session.meta["object"])),
            str(label.attributes.get("quality", "")),
            (label.t_end_mono_ns - label.t_start_mono_ns) / NS_PER_S,
        )
        for label in labels
    ]


def collection_hours(folders: Iterable[Path]) -> Hours:
    """Hours of all given sessions."""
    hours = Hours()
    for folder in folders:
        session = open_session(folder)
        hours.add(session, label_times(session))
    return hours
