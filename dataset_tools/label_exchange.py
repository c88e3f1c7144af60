"""Labels in the formats of others: CSV for spreadsheets, EAF for ELAN (https://archive.mpi.nl/tla/elan).

CSV keeps the exact nanoseconds; ELAN counts whole milliseconds from the session's start.
"""

from __future__ import annotations

import csv
import io
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataset_tools.labels import Label, LabelStore
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.errors import SessionError

COLUMNS = (
    "id", "label", "t_start_mono_ns", "t_end_mono_ns", "start_s", "end_s", "state", "source", "annotator",
    "object", "outcome", "quality",
)  # fmt: skip
ATTRIBUTES = ("object", "outcome", "quality")
MAX_FILE_BYTES = 16 << 20
MAX_LABELS = 100_000


def to_csv(store: LabelStore) -> str:
    """The labels that stand, one a line; seconds count from the session's start."""
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for label in store.current():
        seconds = [
            f"{(t - store.session.start_ns) / NS_PER_S:.6f}" for t in (label.t_start_mono_ns, label.t_end_mono_ns)
        ]
        plain = {name: getattr(label, name) for name in COLUMNS if hasattr(label, name)}
        rows.writerow(
            plain
            | {"start_s": seconds[0], "end_s": seconds[1]}
            | {name: label.attributes.get(name, "") for name in ATTRIBUTES}
        )
    return text.getvalue()


def to_eaf(store: LabelStore) -> str:
    """The labels that stand as an ELAN document: one tier an annotator."""
    document = ET.Element(
        "ANNOTATION_DOCUMENT", AUTHOR="", DATE=datetime.now(UTC).isoformat(), FORMAT="3.0", VERSION="3.0"
    )
    ET.SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    slots, labels = ET.SubElement(document, "TIME_ORDER"), store.current()
    for annotator in sorted({label.annotator for label in labels}):
        tier = ET.SubElement(document, "TIER", LINGUISTIC_TYPE_REF="default-lt", TIER_ID=annotator, ANNOTATOR=annotator)
        for label in labels:
            if label.annotator == annotator:
                _add_annotation(tier, slots, label, store.session.start_ns)
    ET.SubElement(document, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID="default-lt", TIME_ALIGNABLE="true")
    ET.indent(document)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(document, encoding="unicode") + "\n"


def import_labels(store: LabelStore, path: Path, annotator: str) -> list[Label]:
    """Add the labels of a .csv or .eaf file, all or none; a second import of the same file adds nothing.

    Raises SessionError when the file cannot be read, or when one label is outside the session or the vocabulary.
    """
    readers = {".csv": _from_csv, ".eaf": _from_eaf}
    if path.suffix.lower() not in readers:
        raise SessionError(f"labels were to be read from {path}", allowed="a file named .csv or .eaf")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SessionError(f"labels were to be read from {path}", allowed=f"at most {MAX_FILE_BYTES >> 20} MiB")
        plain = list(readers[path.suffix.lower()](path, store))
    except (OSError, ValueError, KeyError, TypeError, ET.ParseError) as error:
        if isinstance(error, SessionError):
            raise
        raise SessionError(f"labels were to be read from {path}", found=f"{type(error).__name__}: {error}") from error
    if len(plain) > MAX_LABELS:
        raise SessionError(f"labels were to be read from {path}", found=f"{len(plain)}", allowed=f"{MAX_LABELS}")
    return store.add_new([_imported(store, row, annotator) for row in plain])


def _imported(store: LabelStore, row: dict[str, Any], annotator: str) -> Label:
    known = {key: value for key, value in row.items() if key in ATTRIBUTES and value}
    content = f"{store.session.meta['id']}/import/{row['label']}/{row['start_ns']}/{row['end_ns']}"
    return Label(
        id=uuid.uuid5(uuid.NAMESPACE_OID, content).hex,
        revision=1,
        label=str(row["label"]),
        t_start_mono_ns=row["start_ns"],
        t_end_mono_ns=row["end_ns"],
        state="labelled",
        source="import",
        annotator=str(row.get("annotator") or annotator),
        created_at=datetime.now(UTC).isoformat(),
        attributes=known,
    )


def _from_csv(path: Path, store: LabelStore) -> Iterator[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for row in rows:
            where = f"line {rows.line_num} of {path}"
            start_ns, end_ns = (_csv_time(row, edge, store.session.start_ns, where) for edge in ("start", "end"))
            yield row | {"start_ns": start_ns, "end_ns": end_ns}


def _csv_time(row: dict[str, Any], edge: str, session_start_ns: int, where: str) -> int:
    """The exact nanoseconds where the file has them, else seconds from the session's start."""
    exact, seconds = f"t_{edge}_mono_ns", f"{edge}_s"
    if row.get(exact):
        return int(row[exact])
    if not row.get(seconds):
        raise SessionError(
            f"the {edge} of the label on {where} was asked for",
            found=f"neither a column {exact} nor {seconds} with a value" if row else "an empty line",
            allowed=f"integer nanoseconds in {exact}, or seconds from the session's start in {seconds}",
            next_step="skin-teleop label SESSION --export csv shows a file as it should be",
        )
    return session_start_ns + round(float(row[seconds]) * NS_PER_S)


def _from_eaf(path: Path, store: LabelStore) -> Iterator[dict[str, Any]]:
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise SessionError(
            f"labels were to be read from {path}", found="a document type or an entity", allowed="plain EAF"
        )
    document = ET.fromstring(text)
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in document.iter("TIME_SLOT")}
    for tier in document.iter("TIER"):
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            edges_ms = [slots[annotation.attrib[f"TIME_SLOT_REF{k}"]] for k in (1, 2)]
            start_ns, end_ns = (store.session.start_ns + ms * NS_PER_MS for ms in edges_ms)
            label = (annotation.findtext("ANNOTATION_VALUE") or "").strip()
            yield {"label": label, "start_ns": start_ns, "end_ns": end_ns, "annotator": tier.attrib.get("ANNOTATOR")}


def _add_annotation(tier: ET.Element, slots: ET.Element, label: Label, session_start_ns: int) -> None:
    names = []
    for t_ns in (label.t_start_mono_ns, label.t_end_mono_ns):
        names.append(f"ts{len(slots) + 1}")
        milliseconds = str((t_ns - session_start_ns) // NS_PER_MS)
        ET.SubElement(slots, "TIME_SLOT", TIME_SLOT_ID=names[-1], TIME_VALUE=milliseconds)
    annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
    annotation.attrib |= {"ANNOTATION_ID": f"a{label.id}", "TIME_SLOT_REF1": names[0], "TIME_SLOT_REF2": names[1]}
    ET.SubElement(annotation, "ANNOTATION_VALUE").text = label.label
