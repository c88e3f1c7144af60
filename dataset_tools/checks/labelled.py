"""Are the labels usable? Words, bounds, overlaps and lines that cannot be read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dataset_tools.checks.finding import Finding, counted
from dataset_tools.labels import LABEL_FILE, SCHEMA_FILE, LabelStore
from dataset_tools.reader import Session
from skin_teleop.clock import NS_PER_S


def check_labels(session: Session) -> Iterator[Finding]:
    """Faults of every labelset of a session."""
    for folder in sorted((session.path / "labels").glob("*/")):
        yield from _check_labelset(LabelStore(session, folder.name))


def _check_labelset(store: LabelStore) -> Iterator[Finding]:
    where = f"labels/{store.folder.name}"
    if not (store.folder / SCHEMA_FILE).is_file():
        yield Finding("error", "label schema", where, "schema.json is missing")
    if store.unreadable_lines():
        text = f"{counted(store.unreadable_lines(), 'line')} of {LABEL_FILE} cannot be read"
        yield Finding("warning", "label line", where, text)
    labels, start_ns, end_ns = store.current(), store.session.start_ns, store.session.end_ns
    for label in labels:
        if not start_ns <= label.t_start_mono_ns < label.t_end_mono_ns <= end_ns:
            span = [(t - start_ns) / NS_PER_S for t in (label.t_start_mono_ns, label.t_end_mono_ns)]
            text = f"{label.label} {label.id} spans {span[0]:.3f} s to {span[1]:.3f} s, outside the session"
            yield Finding("error", "label bounds", where, text)
        if label.label not in store.vocabulary:
            yield Finding("error", "label word", where, f"{label.label!r} of {label.id} is not in the vocabulary")
    for before, after in itertools.pairwise(label for label in labels if label.state != "proposed"):
        if before.label == after.label and after.t_start_mono_ns < before.t_end_mono_ns:
            yield Finding("warning", "label overlap", where, f"{before.label} {before.id} overlaps {after.id}")
