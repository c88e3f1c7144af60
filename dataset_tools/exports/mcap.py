"""Sessions as MCAP (https://mcap.dev): a channel a stream, JSON messages with a schema, events and labels beside them.

`log_time` is the wall clock at receive and `publish_time` the device's own stamp where it has one, both in ns, so that
Foxglove and other MCAP tools show the streams on their usual time axis. The exact `t_mono` stands in every message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.exports.extra import export_module
from dataset_tools.exports.folder import new_file
from dataset_tools.labels import Label, LabelStore
from dataset_tools.reader import Session, open_session
from dataset_tools.stream import Stream
from skin_teleop.clock import ABSENT_NS
from skin_teleop.messages import Array

BLOCK_ROWS = 500
EVENT_SCHEMA = {
    "title": "skin_teleop.Event",
    "type": "object",
    "properties": {"t_mono": {"type": "integer"}, "name": {"type": "string"}, "facts": {"type": "object"}},
}
LABEL_SCHEMA = {
    "title": "skin_teleop.Label",
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "state": {"type": "string"},
        "t_start_mono_ns": {"type": "integer"},
        "t_end_mono_ns": {"type": "integer"},
    },
}


def export_mcap(path: Path, target: Path) -> Path:
    """Write one session to a new .mcap file; raises SessionError when the file exists or the session cannot be read."""
    writing = export_module("mcap.writer")
    session = open_session(path)
    with new_file(target) as building, building.open("wb") as file:
        writer = writing.Writer(file, compression=writing.CompressionType.NONE)
        writer.start(profile="skin_teleop", library="skin_teleop")
        writer.add_metadata(
            "session", {name: str(session.meta[name]) for name in ("id", "object", "operator", "licence")}
        )
        for stream in session.streams.values():
            if stream.name != "events":
                _write_stream(writer, stream)
        _write_events(writer, session)
        _write_labels(writer, session)
        writer.finish()
    return target


def _write_stream(writer: Any, stream: Stream) -> None:
    channel = _channel(writer, f"/{stream.name}", stream_schema(stream))
    for start in range(0, stream.rows, BLOCK_ROWS):
        columns = {field: stream.read(field, start, start + BLOCK_ROWS) for field in stream.fields}
        for row in _rows(columns):
            _add(writer, channel, row["t_wall"], row, publish_time=row["t_dev"], sequence=row["seq"])


def stream_schema(stream: Stream) -> dict[str, Any]:
    """JSON schema of one stream's messages, with the unit of every field."""
    units = stream.attributes["units"]
    kinds = {field: "array" if stream.read(field, 0, 1).ndim > 1 else "number" for field in stream.fields}
    properties = {field: {"type": kind, "description": units[field]} for field, kind in kinds.items()}
    return {"title": f"skin_teleop.{stream.attributes['message']}", "type": "object", "properties": properties}


def _rows(columns: dict[str, Array]) -> Iterator[dict[str, Any]]:
    plain = {field: _plain(values) for field, values in columns.items()}
    for values in zip(*plain.values()):
        yield dict(zip(plain, values))


def _plain(values: Array) -> list[Any]:
    """Nested lists in which what is no number became None, which JSON can say."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        finite, values = np.isfinite(values), values.astype(object)
        values[~finite] = None
    plain: list[Any] = values.tolist()
    return plain


def _write_events(writer: Any, session: Session) -> None:
    channel, shift_ns = _channel(writer, "/events", EVENT_SCHEMA), wall_less_mono_ns(session)
    for t_ns, name, facts in session.events():
        _add(writer, channel, t_ns + shift_ns, {"t_mono": t_ns, "name": name, "facts": facts})


def _write_labels(writer: Any, session: Session) -> None:
    labels = LabelStore(session).current()
    channel, shift_ns = _channel(writer, "/labels", LABEL_SCHEMA), wall_less_mono_ns(session)
    for label in labels:
        _add(writer, channel, label.t_start_mono_ns + shift_ns, label_facts(label))


def label_facts(label: Label) -> dict[str, Any]:
    """A label in plain values."""
    return {name: getattr(label, name) for name in label.__struct_fields__}


def wall_less_mono_ns(session: Session) -> int:
    """What turns `t_mono` into the wall clock: the difference of both at the first row, ns."""
    stream = min(session.streams.values(), key=lambda stream: int(stream.t_mono[0]))
    return int(stream.read("t_wall", 0, 1)[0]) - int(stream.t_mono[0])


def _channel(writer: Any, topic: str, schema: dict[str, Any]) -> int:
    number = writer.register_schema(schema["title"], "jsonschema", json.dumps(schema).encode())
    return int(writer.register_channel(topic, "json", number))


def _add(
    writer: Any, channel: int, log_time: int, row: dict[str, Any], *, publish_time: int = ABSENT_NS, sequence: int = 0
) -> None:
    """MCAP times are unsigned: a stamp from before 1970, or none at all, falls back to the log time."""
    log_ns = max(0, log_time)
    publish_ns = publish_time if publish_time >= 0 else log_ns
    writer.add_message(channel, log_ns, json.dumps(row).encode(), publish_ns, sequence)
