"""`skin-teleop label`: list, add, delete and propose labels of a session, without a page."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import msgspec

from dataset_tools.labels import VOCABULARY, Label, LabelStore
from dataset_tools.proposals import label_contacts, label_from_marks
from dataset_tools.reader import Session, open_session
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("session", type=Path, help="session folder")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--list", action="store_true", help="show the labels that stand now")
    work.add_argument("--from-events", action="store_true", help="label the spans that the operator marked")
    work.add_argument("--propose", action="store_true", help="propose a label for every contact that the skin shows")
    work.add_argument("--add", metavar="LABEL", help=f"add a label: {', '.join(VOCABULARY)}")
    work.add_argument("--delete", metavar="ID", help="delete a label (its revisions stay in the file)")
    parser.add_argument("--start", type=float, help="with --add: seconds from the session's start")
    parser.add_argument("--end", type=float, help="with --add: seconds from the session's start")
    parser.add_argument("--annotator", default="anonymous", help="pseudonym that is stored with the label")
    parser.add_argument("--json", action="store_true", help="print labels as JSON, one a line")


def run(options: argparse.Namespace) -> int:
    """Do one operation and print the labels it concerns."""
    session = open_session(options.session)
    store = LabelStore(session)
    if options.delete:
        store.delete(options.delete, annotator=options.annotator)
        print(f"deleted {options.delete}")
        return 0
    labels = _labels(store, options)
    for label in labels:
        print(json.dumps(msgspec.to_builtins(label)) if options.json else one_line(label, session))
    if not labels and not options.json:
        print("no labels" if options.list else "nothing new")
    return 0


def one_line(label: Label, session: Session) -> str:
    """One label on one line, times in seconds from the session's start."""
    start_s, end_s = ((t - session.start_ns) / NS_PER_S for t in (label.t_start_mono_ns, label.t_end_mono_ns))
    return f"{label.id}  {start_s:8.3f} s  {end_s:8.3f} s  {label.label}  {label.state}  {label.source}"


def _labels(store: LabelStore, options: argparse.Namespace) -> list[Label]:
    if options.from_events:
        return label_from_marks(store)
    if options.propose:
        return label_contacts(store)
    if options.add:
        start_ns, end_ns = (_mono_ns(store.session, seconds) for seconds in (options.start, options.end))
        return [store.add(options.add, start_ns, end_ns, annotator=options.annotator)]
    return store.current()


def _mono_ns(session: Session, seconds: float | None) -> int:
    if seconds is None or not math.isfinite(seconds):
        raise ConfigError("--add needs --start and --end", allowed="seconds from the session's start")
    return session.start_ns + round(seconds * NS_PER_S)
