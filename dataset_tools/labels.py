"""Labels of a session: spans of time with a name, kept as append-only revisions beside the recorded data.

`labels/<labelset>/schema.json` holds the vocabulary, `labels/<labelset>/labels.jsonl` one revision a line. A change
adds a line, a deletion adds a tombstone, and readers take the highest revision of every id. Each operation is on the
disk before it returns.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from dataset_tools.durable import write_json_durably
from dataset_tools.reader import Session
from dataset_tools.session_folder import sealed_name
from dataset_tools.wal_sync import sync_folder
from skin_teleop.errors import SessionError

log = logging.getLogger(__name__)

LABELSET = "actions"
ACTIONS = ("squeeze", "slide", "rotation", "pick-and-drop", "circumduction", "pressing", "wiping", "articulation")
"""The eight atomic actions that the Sparsh-skin data was recorded with."""
VOCABULARY = (*ACTIONS, "rest", "contact", "other")
SCHEMA = "skin_teleop.labels"
CHOICES = {"outcome": ("success", "failure", "unclear"), "quality": ("good", "fair", "bad")}
"""Attributes whose words are fixed; `object` and any other attribute are free."""
SCHEMA_VERSION = "1.1.0"
LABEL_FILE = "labels.jsonl"

LiveState = Literal["proposed", "labelled", "reviewed", "gold"]
Source = Literal["human", "proposal", "live", "import", "script"]
NEXT_STATE = {"proposed": "labelled", "labelled": "reviewed"}
SCHEMA_FILE = "schema.json"


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one labelled span."""

    id: str
    revision: int
    label: str
    t_start_mono_ns: int
    t_end_mono_ns: int
    state: LiveState
    source: Source
    annotator: str
    created_at: str
    attributes: dict[str, Any] = {}


class LabelStore:
    """One labelset of one session."""

    def __init__(self, session: Session, labelset: str = LABELSET) -> None:
        self.session = session
        self.folder = session.path / "labels" / labelset
        self._file = self.folder / LABEL_FILE

    def current(self) -> list[Label]:
        """Labels that stand now, by start."""
        newest = self._newest()
        labels = [msgspec.convert(row, Label) for row in newest.values() if row["state"] != "deleted"]
        return sorted(labels, key=lambda label: (label.t_start_mono_ns, label.t_end_mono_ns))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words that a label may have: those of the labelset's schema.json, where there is one."""
        try:
            words = json.loads((self.folder / SCHEMA_FILE).read_bytes())["vocabulary"]
        except (OSError, ValueError, KeyError):
            return VOCABULARY
        return tuple(map(str, words))

    def known_ids(self) -> set[str]:
        """Every id that was ever used, deleted ones too."""
        return set(self._newest())

    def unreadable_lines(self) -> int:
        """Lines of the file that are no revision, for example one that a crash cut short."""
        return sum(_parse(line, self._file) is None for line in self._lines())

    def add(
        self,
        label: str,
        t_start_mono_ns: int,
        t_end_mono_ns: int,
        *,
        state: LiveState = "labelled",
        source: Source = "human",
        annotator: str = "anonymous",
        attributes: dict[str, Any] | None = None,
        label_id: str = "",
    ) -> Label:
        """Add a span (t_mono ns) and return it.

        Raises SessionError when the word is not in the vocabulary, the span lies outside the session, or the id exists.
        """
        wanted = Label(
            id=label_id or uuid.uuid4().hex,
            revision=1,
            label=label,
            t_start_mono_ns=t_start_mono_ns,
            t_end_mono_ns=t_end_mono_ns,
            state=state,
            source=source,
            annotator=annotator,
            created_at=_now(),
            attributes=attributes or {},
        )
        if not self.add_new([wanted]):
            raise SessionError(f"label {wanted.id} cannot be added", found="it exists already")
        return wanted

    def add_new(self, labels: Sequence[Label]) -> list[Label]:
        """Add all labels whose ids are new, in one operation, and return them; raises SessionError for a bad one.

        Either all are on the disk or none: they are checked before the first is written.
        """
        for label in labels:
            self._check(label)
        with self._writing() as descriptor:
            known = set(self._newest())
            new = [label for label in labels if label.id not in known]
            _append(descriptor, *map(msgspec.to_builtins, new))
        return new

    def revise(self, label_id: str, *, expected_revision: int | None = None, **changes: Any) -> Label:
        """Add a revision of a label with some fields changed; raises SessionError as `add` does.

        Give the revision that was shown to the person who changes it: when somebody else changed the label since, the
        edit is refused instead of undoing theirs.
        """
        with self._writing() as descriptor:
            before = self._standing(label_id, expected_revision)
            plain = before | changes | {"revision": before["revision"] + 1, "created_at": _now()}
            try:
                revised = msgspec.convert(plain, Label)
            except msgspec.ValidationError as error:
                raise SessionError(f"label {label_id} cannot become {changes}", found=str(error)) from error
            self._check(revised)
            _append(descriptor, msgspec.to_builtins(revised))
        return revised

    def accept(self, label_id: str, *, annotator: str, expected_revision: int | None = None) -> Label:
        """One step towards trust: a proposed label becomes labelled, a labelled one reviewed.

        Raises SessionError for a label that is reviewed already.
        """
        state = self._standing(label_id, expected_revision)["state"]
        if state not in NEXT_STATE:
            raise SessionError(f"label {label_id} cannot be accepted", found=f"it is {state} already")
        return self.revise(label_id, expected_revision=expected_revision, state=NEXT_STATE[state], annotator=annotator)

    def delete(self, label_id: str, *, annotator: str = "anonymous", expected_revision: int | None = None) -> None:
        """Add a tombstone; the earlier revisions stay in the file. Raises SessionError for an unknown id."""
        with self._writing() as descriptor:
            revision = self._standing(label_id, expected_revision)["revision"] + 1
            row = {"id": label_id, "revision": revision, "state": "deleted", "annotator": annotator}
            _append(descriptor, row | {"created_at": _now()})

    def history(self, label_id: str) -> list[dict[str, Any]]:
        """All revisions of one label as they were written."""
        return [row for row in self._rows() if row["id"] == label_id]

    def _standing(self, label_id: str, expected_revision: int | None = None) -> dict[str, Any]:
        row = self._newest().get(label_id)
        if row is None or row["state"] == "deleted":
            raise SessionError(
                f"label {label_id} was asked for",
                found="no such label" if row is None else "it was deleted",
                next_step=f"skin-teleop label {self.session.path} --list",
            )
        if expected_revision not in (None, row["revision"]):
            raise SessionError(
                f"revision {expected_revision} of label {label_id} was to be changed",
                found=f"revision {row['revision']} by {row['annotator']} at {row['created_at']}",
                next_step="look at the newer revision, then change that",
            )
        return row

    def _check(self, label: Label) -> None:
        if label.label not in self.vocabulary:
            raise SessionError(f"label {label.label!r} was asked for", allowed=", ".join(self.vocabulary))
        for name, words in CHOICES.items():
            if label.attributes.get(name, words[0]) not in words:
                raise SessionError(f"{name} {label.attributes[name]!r} was asked for", allowed=", ".join(words))
        if label.state not in get_args(LiveState) or label.source not in get_args(Source):
            raise SessionError(f"label {label.label} has state {label.state} and source {label.source}")
        first, last = self.session.start_ns, self.session.end_ns
        if not first <= label.t_start_mono_ns < label.t_end_mono_ns <= last:
            span_s = [round((t - first) / 1e9, 3) for t in (label.t_start_mono_ns, label.t_end_mono_ns)]
            raise SessionError(
                f"a label from {span_s[0]} s to {span_s[1]} s was asked for",
                allowed=f"a span inside the session, 0 s to {(last - first) / 1e9:.3f} s",
            )

    def _newest(self) -> dict[str, dict[str, Any]]:
        newest: dict[str, dict[str, Any]] = {}
        for row in self._rows():
            if row["id"] not in newest or row["revision"] >= newest[row["id"]]["revision"]:
                newest[row["id"]] = row
        return newest

    def _rows(self) -> list[dict[str, Any]]:
        rows = (_parse(line, self._file) for line in self._lines())
        return [row for row in rows if row is not None]

    def _lines(self) -> list[bytes]:
        lines = self._file.read_bytes().splitlines() if self._file.is_file() else []
        return [line for line in lines if line.strip()]

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """The label file, open for appending and locked against other writers."""
        try:
            self._make_labelset()
            descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
                sync_folder(self.folder)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SessionError(f"cannot write {self._file}", found=f"{error.strerror or error}") from error

    def _make_labelset(self) -> None:
        if (self.folder / SCHEMA_FILE).is_file():
            return
        if not self.session.path.is_dir():
            raise SessionError(
                f"session {self.session.path} was to be labelled",
                found="it was sealed or moved meanwhile",
                next_step=f"open {sealed_name(self.session.path)}",
            )
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
        choices = {name: list(words) for name, words in CHOICES.items()}
        schema = {"schema": SCHEMA, "version": SCHEMA_VERSION, "vocabulary": list(VOCABULARY), "choices": choices}
        write_json_durably(self.folder / SCHEMA_FILE, schema)


def _append(descriptor: int, *rows: dict[str, Any]) -> None:
    """Append a line a row and bring them to the disk: all of them, or none where the disk fails.

    A line that an earlier crash cut short is ended first.
    """
    size = os.fstat(descriptor).st_size
    cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    lines = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    rest = (b"\n" if cut else b"") + lines
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _parse(line: bytes, file: Path) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(line)
        if row["state"] != "deleted":
            msgspec.convert(row, Label)
        return row | {"id": str(row["id"]), "revision": int(row["revision"])}
    except (ValueError, KeyError, TypeError) as error:
        log.warning("a line of %s cannot be read and is skipped: %s", file, error)
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat()
