"""Writes the streams of a log into a Zarr v3 store, shard by shard, and checks a store against its own digests."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from dataset_tools.logged_stream import LoggedStream, LogIndex
from dataset_tools.session_folder import SCHEMA
from dataset_tools.static_arrays import write_static
from dataset_tools.store_layout import StoreLayout
from dataset_tools.stream import UNREADABLE, SealedStream, sealed_streams
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array

CLOCK_PREFIX = "clock_"
COLUMN_THREADS = 4
"""Columns written at once: compression and digests of one go on while Zarr waits for the files of another."""


def group_path(stream: str, message: str) -> str:
    """Where a stream stands in the store: `streams/<name>`, or `clock/<device>` for clock samples."""
    if message == "ClockSample" and stream.startswith(CLOCK_PREFIX):
        return f"clock/{stream.removeprefix(CLOCK_PREFIX)}"
    return f"streams/{stream}"


def write_store(path: Path, log: LogIndex, meta: dict[str, Any]) -> None:
    """Write a new store; `meta` is session.json. Memory stays below a few shards of one stream."""
    root = zarr.open_group(path, mode="w")
    rows, digests, groups = {}, {}, []
    for name, stream in log.streams.items():
        place = group_path(name, stream.schema.message)
        digests[name] = _write_stream(root, place, stream)
        rows[name] = stream.rows
        groups.append(place)
    write_static(root, meta["rig"])
    root.update_attributes(
        {
            "schema": SCHEMA,
            "version": meta["version"],  # of the names in the log, which an older release may have written
            "session": meta["id"],
            "software": meta["software"],
            "stream_groups": groups,
            "rows": rows,
            "digests": digests,
            "digest_of": "sha256 of each column's rows, C order, little-endian",
        }
    )


def _write_stream(root: zarr.Group, place: str, stream: LoggedStream) -> dict[str, str]:
    layout = StoreLayout.of(stream.rows, float(stream.attributes["nominal_hz"]))
    group = root.create_group(place, attributes={"name": stream.name} | stream.attributes)
    hashes = {name: hashlib.sha256() for name in stream.fields}
    with ThreadPoolExecutor(COLUMN_THREADS) as pool:
        created = pool.map(lambda name: _new_array(group, name, stream, layout), stream.fields)
        arrays = dict(zip(stream.fields, created, strict=True))
        for start, stop in layout.spans():
            rows = stream.read_rows(start, stop)

            def write(name: str, rows: Array = rows, start: int = start, stop: int = stop) -> None:
                column = np.ascontiguousarray(rows[name])
                hashes[name].update(column.data)
                arrays[name][start:stop] = column

            list(pool.map(write, stream.fields))
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def _new_array(group: zarr.Group, name: str, stream: LoggedStream, layout: StoreLayout) -> Any:
    column = stream.schema.dtype[name]
    chunk_rows, shard_rows = layout.column(column.itemsize)
    attributes: dict[str, Any] = dict(stream.schema.units[name])
    return group.create_array(
        name,
        shape=(stream.rows, *column.shape),
        dtype=column.base,
        chunks=(chunk_rows, *column.shape),
        shards=(shard_rows, *column.shape) if shard_rows > chunk_rows else None,
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
        fill_value=0,
        attributes=attributes,
    )


def verify_store(path: Path, expected_rows: dict[str, int] | None) -> None:
    """Read every column back and compare it with the digest taken from the log's rows.

    `expected_rows` are the rows by stream that the log holds, where there still is a log. Raises SessionError when
    anything differs.
    """
    try:
        problem = _difference(zarr.open_group(path, mode="r"), expected_rows)
    except UNREADABLE as error:
        raise _differs(path, f"{type(error).__name__}: {error}") from error
    if problem:
        raise _differs(path, problem)


def _difference(root: zarr.Group, expected_rows: dict[str, int] | None) -> str:
    facts: dict[str, Any] = dict(root.attrs)
    if expected_rows is not None and facts["rows"] != expected_rows:
        return f"rows {facts['rows']} where the log holds {expected_rows}"
    for stream in sealed_streams(root).values():
        for name in stream.fields:
            if column_digest(stream, name) != facts["digests"][stream.name][name]:
                return f"{stream.name}/{name} does not match its digest"
    return ""


def column_digest(stream: SealedStream, name: str) -> str:
    """SHA-256 of one column's rows as they stand in the store."""
    digest = hashlib.sha256()
    for start, stop in StoreLayout.of(stream.rows, float(stream.attributes["nominal_hz"])).spans():
        column: Array = np.ascontiguousarray(stream.read(name, start, stop))
        digest.update(column.data)
    return digest.hexdigest()


def _differs(path: Path, found: str) -> SessionError:
    return SessionError(
        f"the store {path} does not hold what was recorded",
        found=found,
        next_step="the log is kept; check the disk, then seal again",
    )
