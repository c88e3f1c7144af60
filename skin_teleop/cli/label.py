"""`skin-teleop label`: every operation on the labels of a session, without a page."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from dataset_tools.agreement import agreement
from dataset_tools.label_exchange import import_labels, to_csv, to_eaf
from dataset_tools.labels import LABELSET, VOCABULARY, Label, LabelStore
from dataset_tools.proposals import label_contacts, label_from_marks
from dataset_tools.reader import Session, open_session
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import ConfigError

TIMES = {"start": "t_start_mono_ns", "end": "t_end_mono_ns"}
ATTRIBUTES = ("object", "outcome", "quality")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("session", type=Path, help="session folder")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--list", action="store_true", help="show the labels that stand now")
    work.add_argument("--from-events", action="store_true", help="label the spans that the operator marked")
    work.add_argument("--propose", action="store_true", help="propose a label for every contact that the skin shows")
    work.add_argument("--add", metavar="LABEL", help=f"add a label: {', '.join(VOCABULARY)}")
    work.add_argument("--accept", nargs="+", metavar="ID", help="proposed becomes labelled, labelled becomes reviewed")
    work.add_argument("--reject", nargs="+", metavar="ID", help="take labels back (their revisions stay in the file)")
    work.add_argument("--delete", metavar="ID", help="the same as --reject for one label")
    work.add_argument(
        "--set",
        nargs="+",
        metavar=("ID", "KEY=VALUE"),
        help="change a label: label=, start= and end= (seconds from the session's start), object=, "
        "outcome=success|failure|unclear, quality=good|fair|bad",
    )
    work.add_argument(
        "--import", dest="import_file", type=Path, metavar="FILE", help="add the labels of a .csv or .eaf"
    )
    work.add_argument("--export", choices=("csv", "eaf"), help="print the labels, or write them to --out")
    work.add_argument("--agreement", metavar="LABELSET", help="compare with another labelset of the same session")
    parser.add_argument(
        "--second-opinion", action="store_true", help="with --propose: note how far `ruptures` puts the edges away"
    )
    parser.add_argument("--labelset", default=LABELSET, help="which set of labels; a second annotator uses their own")
    parser.add_argument("--start", type=float, help="with --add: seconds from the session's start")
    parser.add_argument("--end", type=float, help="with --add: seconds from the session's start")
    parser.add_argument("--annotator", default="anonymous", help="pseudonym that is stored with the label")
    parser.add_argument("--revision", type=int, help="with --accept, --reject, --set: refuse when it is not the newest")
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --export: a new file")
    parser.add_argument("--json", action="store_true", help="print labels as JSON, one a line")


def run(options: argparse.Namespace) -> int:
    """Do one operation and print the labels it concerns."""
    store = LabelStore(open_session(options.session), options.labelset)
    if options.export:
        return _export(to_csv(store) if options.export == "csv" else to_eaf(store), options.out)
    if options.agreement:
        return _compare(store, LabelStore(store.session, options.agreement))
    gone = options.reject or ([options.delete] if options.delete else [])
    for label_id in gone:
        store.delete(label_id, annotator=options.annotator, expected_revision=options.revision)
        print(f"deleted {label_id}")
    if not gone:
        _show(_labels(store, options), store.session, options)
    return 0


def one_line(label: Label, session: Session) -> str:
    """One label on one line, times in seconds from the session's start."""
    start_s, end_s = ((t - session.start_ns) / NS_PER_S for t in (label.t_start_mono_ns, label.t_end_mono_ns))
    return f"{label.id}  {start_s:8.3f} s  {end_s:8.3f} s  {label.label}  {label.state}  {label.source}"


def _show(labels: list[Label], session: Session, options: argparse.Namespace) -> None:
    for label in labels:
        print(json.dumps(msgspec.to_builtins(label)) if options.json else one_line(label, session))
    if not labels and not options.json:
        print("no labels" if options.list else "nothing new")


def _labels(store: LabelStore, options: argparse.Namespace) -> list[Label]:
    if options.from_events:
        return label_from_marks(store)
    if options.propose:
        return label_contacts(store, ask_ruptures=options.second_opinion)
    if options.add:
        start_ns, end_ns = (_mono_ns(store.session, seconds) for seconds in (options.start, options.end))
        return [store.add(options.add, start_ns, end_ns, annotator=options.annotator)]
    if options.import_file:
        return import_labels(store, options.import_file, options.annotator)
    if options.accept:
        known = {"annotator": options.annotator, "expected_revision": options.revision}
        return [store.accept(label_id, **known) for label_id in options.accept]
    if options.set:
        return [_change(store, options.set[0], options.set[1:], options)]
    return store.current()


def _change(store: LabelStore, label_id: str, words: list[str], options: argparse.Namespace) -> Label:
    changes: dict[str, Any] = {"annotator": options.annotator}
    attributes: dict[str, str] = {}
    for key, found, value in (word.partition("=") for word in words):
        if key in TIMES and found:
            changes[TIMES[key]] = _mono_ns(store.session, _seconds(value))
        elif key in ATTRIBUTES and found:
            attributes[key] = value
        elif key == "label" and found:
            changes[key] = value
        else:
            raise ConfigError(f"--set {key}", allowed="label=, start=, end=, " + ", ".join(f"{a}=" for a in ATTRIBUTES))
    before = next((label for label in store.current() if label.id == label_id), None)
    if before is not None and attributes:
        changes["attributes"] = before.attributes | attributes
    return store.revise(label_id, expected_revision=options.revision, **changes)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} was given as a time", allowed="seconds from the session's start") from error


def _export(text: str, out: Path | None) -> int:
    if out is None:
        print(text, end="")
        return 0
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"--out {out}", found=error.strerror or str(error), allowed="a new file") from error
    return 0


def _compare(one: LabelStore, other: LabelStore) -> int:
    session = one.session
    figures = asdict(agreement(one.current(), other.current(), session.start_ns, session.end_ns))
    print(json.dumps(figures | {"labels": [len(one.current()), len(other.current())]}))
    return 0


def _mono_ns(session: Session, seconds: float | None) -> int:
    if seconds is None or not math.isfinite(seconds):
        raise ConfigError("--add needs --start and --end", allowed="seconds from the session's start")
    return session.start_ns + round(seconds * NS_PER_S)
