"""Sessions as Parquet files with a data set card: one file a stream, rows and stamps exactly as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.exports.card import dataset_card
from dataset_tools.exports.extra import export_module
from dataset_tools.exports.folder import new_folder
from dataset_tools.exports.mcap import label_facts
from dataset_tools.labels import LabelStore
from dataset_tools.reader import Session, open_session
from dataset_tools.stream import Stream
from skin_teleop.messages import Array

ROWS_PER_GROUP = 1000


def export_parquet(paths: Sequence[Path], target: Path) -> Path:
    """Write sessions to a new folder: `<stream>/<session>.parquet`, `labels/<session>.parquet`, README.md.

    Raises SessionError when the folder exists or a session cannot be read.
    """
    arrow, parquet = export_module("pyarrow"), export_module("pyarrow.parquet")
    sessions = [open_session(path) for path in paths]
    with new_folder(target) as folder:
        for session in sessions:
            for stream in session.streams.values():
                _write_stream(arrow, parquet, stream, folder / stream.name / f"{session.meta['id']}.parquet")
            _write_labels(arrow, parquet, session, folder / "labels" / f"{session.meta['id']}.parquet")
        names = sorted({name for session in sessions for name in session.streams})
        (folder / "README.md").write_text(dataset_card(sessions, {name: f"{name}/*.parquet" for name in names}))
    return target


def _write_stream(arrow: Any, parquet: Any, stream: Stream, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    fields = [_arrow_field(arrow, stream, name) for name in stream.fields]
    with parquet.ParquetWriter(file, arrow.schema(fields), compression="zstd") as writer:
        for start in range(0, stream.rows, ROWS_PER_GROUP):
            columns = [flat_column(arrow, stream.read(name, start, start + ROWS_PER_GROUP)) for name in stream.fields]
            writer.write_table(arrow.Table.from_arrays(columns, schema=arrow.schema(fields)))


def _arrow_field(arrow: Any, stream: Stream, name: str) -> Any:
    """A column's type; rows of several axes become flat lists whose shape stands in the field's metadata."""
    one = stream.read(name, 0, 1)
    shape = ",".join(map(str, one.shape[1:]))
    return arrow.field(
        name, flat_column(arrow, one).type, metadata={"unit": stream.attributes["units"][name], "shape": shape}
    )


def flat_column(arrow: Any, values: Array) -> Any:
    """An array (n, ...) as an Arrow column: numbers, or fixed-size lists of numbers in C order."""
    flat = arrow.array(np.ascontiguousarray(values).reshape(-1))
    return flat if values.ndim == 1 else arrow.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))


def _write_labels(arrow: Any, parquet: Any, session: Session, file: Path) -> None:
    labels = [label_facts(label) for label in LabelStore(session).current()]
    for label in labels:
        label["attributes"] = str(label["attributes"])
    if labels:
        file.parent.mkdir(exist_ok=True)
        parquet.write_table(arrow.Table.from_pylist(labels), file)
