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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from dataset_tools.durable import write_json_durably
from dataset_tools.reader import Session
from dataset_tools.wal_sync import sync_folder
from skin_teleop.errors import SessionError

log = logging.getLogger(__name__)

LABELSET = "actions"
ACTIONS = ("squeeze", "slide", "rotation", "pick-and-drop", "circumduction", "pressing", "wiping", "articulation")
"""The eight atomic actions that the Sparsh-skin data was recorded with."""
VOCABULARY = (*ACTIONS, "rest", "contact", "other")
SCHEMA = "skin_teleop.labels"
SCHEMA_VERSION = "1.0.0"
LABEL_FILE = "labels.jsonl"

LiveState = Literal["proposed", "labelled", "reviewed", "gold"]
Source = Literal["human", "proposal", "live", "import"]


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

    def known_ids(self) -> set[str]:
        """Every id that was ever used, deleted ones too."""
        return set(self._newest())

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
        added = Label(
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
        self._check(added)
        with self._writing() as descriptor:
            if added.id in self._newest():
                raise SessionError(f"label {added.id} cannot be added", found="it exists already")
            _append(descriptor, msgspec.to_builtins(added))
        return added

    def revise(self, label_id: str, **changes: Any) -> Label:
        """Add a revision of a label with some fields changed; raises SessionError as `add` does."""
        with self._writing() as descriptor:
            before = self._standing(label_id)
            plain = before | changes | {"revision": before["revision"] + 1, "created_at": _now()}
            try:
                revised = msgspec.convert(plain, Label)
            except msgspec.ValidationError as error:
                raise SessionError(f"label {label_id} cannot become {changes}", found=str(error)) from error
            self._check(revised)
            _append(descriptor, msgspec.to_builtins(revised))
        return revised

    def delete(self, label_id: str, *, annotator: str = "anonymous") -> None:
        """Add a tombstone; the earlier revisions stay in the file. Raises SessionError for an unknown id."""
        with self._writing() as descriptor:
            revision = self._standing(label_id)["revision"] + 1
            row = {"id": label_id, "revision": revision, "state": "deleted", "annotator": annotator}
            _append(descriptor, row | {"created_at": _now()})

    def history(self, label_id: str) -> list[dict[str, Any]]:
        """All revisions of one label as they were written."""
        return [row for row in self._rows() if row["id"] == label_id]

    def _standing(self, label_id: str) -> dict[str, Any]:
        row = self._newest().get(label_id)
        if row is None or row["state"] == "deleted":
            raise SessionError(
                f"label {label_id} was asked for",
                found="no such label" if row is None else "it was deleted",
                next_step=f"skin-teleop label {self.session.path} --list",
            )
        return row

    def _check(self, label: Label) -> None:
        if label.label not in VOCABULARY:
            raise SessionError(f"label {label.label!r} was asked for", allowed=", ".join(VOCABULARY))
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
        lines = self._file.read_bytes().splitlines() if self._file.is_file() else []
        rows = (_parse(line, self._file) for line in lines if line.strip())
        return [row for row in rows if row is not None]

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """The label file, open for appending and locked against other writers."""
        if not (self.folder / "schema.json").is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            for parent in (self.folder.parent, self.session.path):
                sync_folder(parent)
            schema = {"schema": SCHEMA, "version": SCHEMA_VERSION, "vocabulary": list(VOCABULARY)}
            write_json_durably(self.folder / "schema.json", schema)
        descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
            sync_folder(self.folder)
        except OSError as error:
            raise SessionError(f"cannot write {self._file}", found=f"{error.strerror or error}") from error
        finally:
            os.close(descriptor)


def _append(descriptor: int, row: dict[str, Any]) -> None:
    """Append one line and bring it to the disk; a line that an earlier crash cut short is ended first."""
    size = os.fstat(descriptor).st_size
    cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    os.write(descriptor, (b"\n" if cut else b"") + json.dumps(row, ensure_ascii=False).encode() + b"\n")
    os.fsync(descriptor)


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
