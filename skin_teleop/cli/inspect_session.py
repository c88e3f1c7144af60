"""One session as a page of lanes: skin, joints, hand, labels, events and rates."""

from __future__ import annotations

import math
from pathlib import Path

from dataset_tools.durable import write_durably
from dataset_tools.labels import Label, LabelStore
from dataset_tools.overview import CLOSE_BUCKET_NS, Overview, build_overview, session_overview
from dataset_tools.reader import Session, open_session
from skin_teleop.cli.report.inspect_page import inspect_page
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import ConfigError, SessionError

CLOSE_S = 120.0
"""Spans up to this long are shown row by row; longer ones from the overview that is kept beside the session."""


def inspect_session(path: Path, out: Path | None, from_s: float | None, to_s: float | None) -> Path:
    """Write the page of a session, or of a part of it (s since its start), and return its file.

    Raises ConfigError for a span outside the session and for an `out` that exists, SessionError for a session without
    rows.
    """
    if out is not None and out.exists():
        raise ConfigError(f"--out {out}", found="it exists already", allowed="a new file")
    path = path.resolve()
    session = open_session(path)
    if not session.streams:
        raise SessionError(f"session {path} was to be inspected", found="it has no rows")
    page = inspect_page(
        title=str(session.meta["id"]),
        facts=_facts(session),
        overview=_overview(session, *_span_ns(session, from_s, to_s)),
        labels=_labels(session),
        events=session.events(),
        session_start_ns=session.start_ns,
    )
    file = out or path.with_name(f"{path.name}.inspect.html")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, page.encode())
    except OSError as error:
        raise ConfigError(
            f"cannot write {file}", found=error.strerror or str(error), next_step="give --out FILE"
        ) from error
    return file


def _span_ns(session: Session, from_s: float | None, to_s: float | None) -> tuple[int, int]:
    first_s, last_s = 0.0 if from_s is None else from_s, session.duration_s if to_s is None else to_s
    if not (math.isfinite(first_s + last_s) and 0 <= first_s <= last_s <= session.duration_s + 0.001):
        raise ConfigError(
            f"--from {first_s} --to {last_s}", allowed=f"a span inside the session, 0 to {session.duration_s:.3f} s"
        )
    return tuple(session.start_ns + round(at_s * NS_PER_S) for at_s in (first_s, last_s))  # type: ignore[return-value]


def _overview(session: Session, start_ns: int, end_ns: int) -> Overview:
    if end_ns - start_ns <= CLOSE_S * NS_PER_S:
        return build_overview(session, start_ns, end_ns, CLOSE_BUCKET_NS)
    return session_overview(session).part(start_ns, end_ns)


def _labels(session: Session) -> dict[str, list[Label]]:
    """Labels that stand, by labelset."""
    sets = sorted(folder.name for folder in (session.path / "labels").glob("*/"))
    return {name: LabelStore(session, name).current() for name in sets}


def _facts(session: Session) -> dict[str, str]:
    meta = session.meta
    facts = {
        "": "simulated" if meta["simulated"] else "",
        "s": f"{session.duration_s:.1f}",
        "object": meta["object"],
        "operator": meta["operator"],
        "licence": meta["licence"],
        "status": session.status,
    }
    return {name: str(value) for name, value in facts.items() if value}
