"""Is the store what was sealed? Files against the manifest, arrays against their message type and their digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr

from dataset_tools.checks.finding import Finding
from dataset_tools.manifest import MANIFEST_FILE, covered_files, file_digest, read_manifest
from dataset_tools.session_folder import STORE_FOLDER
from dataset_tools.store_writer import column_digest
from dataset_tools.stream import SealedStream
from skin_teleop.errors import SessionError
from skin_teleop.messages import SAMPLE_TYPES


def check_manifest(session: Path) -> Iterator[Finding]:
    """Files that are missing, changed or unknown to MANIFEST.sha256."""
    if not (session / MANIFEST_FILE).is_file():
        yield Finding("error", "manifest", MANIFEST_FILE, "the manifest is missing")
        return
    listed, present = read_manifest(session), set(covered_files(session))
    for name in sorted(listed.keys() - present):
        yield Finding("error", "missing file", name, "the manifest names it, but it is not there")
    for name in sorted(present - listed.keys()):
        yield Finding("error", "unknown file", name, "it is there, but the manifest does not name it")
    for name in sorted(listed.keys() & present):
        if file_digest(session / name) != listed[name]:
            yield Finding("error", "changed file", name, "its SHA-256 differs from the manifest")


def check_store(session: Path) -> Iterator[Finding]:
    """Arrays that are missing, of another dtype or length than declared, unreadable, or unlike their digest."""
    root = zarr.open_group(session / STORE_FOLDER, mode="r")
    facts: dict[str, Any] = dict(root.attrs)
    for place in facts["stream_groups"]:
        if place not in root:
            yield Finding("error", "missing stream", place, "the store's attributes name it, but it is not there")
            continue
        yield from _check_group(cast(zarr.Group, root[place]), facts)


def _check_group(group: zarr.Group, facts: dict[str, Any]) -> Iterator[Finding]:
    name, kind = str(group.attrs["name"]), SAMPLE_TYPES.get(str(group.attrs["message"]))
    if kind is None:
        yield Finding("warning", "schema", name, f"message type {group.attrs['message']} is unknown to this release")
    else:
        yield from _check_columns(name, group, kind.row_dtype())
    yield from _check_lengths(name, group, int(facts["rows"][name]))
    stream = SealedStream(name, group)
    for field in facts["digests"][name].keys() & set(stream.fields):
        yield from _check_digest(stream, field, facts["digests"][name][field])


def _check_columns(name: str, group: zarr.Group, row: np.dtype[np.void]) -> Iterator[Finding]:
    arrays, declared = dict(group.arrays()), cast(dict[str, Any], group.attrs["units"])
    for field in sorted({*declared, *(row.names or ())} - arrays.keys()):
        if field in declared:
            yield Finding("error", "missing field", f"{name}/{field}", "the stream declares it, but it is not there")
        else:
            yield Finding("note", "older stream", f"{name}/{field}", "this field is younger than the session")
    for field in arrays.keys() & set(row.names or ()):
        found, wanted = arrays[field], row[field]
        if found.dtype != wanted.base:
            yield Finding("error", "dtype", f"{name}/{field}", f"{found.dtype} stands where {wanted.base} belongs")
        if found.shape[1:] != wanted.shape:
            yield Finding("error", "shape", f"{name}/{field}", f"rows of shape {found.shape[1:]}, not {wanted.shape}")


def _check_lengths(name: str, group: zarr.Group, rows: int) -> Iterator[Finding]:
    for field, array in group.arrays():
        if array.shape[0] != rows:
            yield Finding("error", "length", f"{name}/{field}", f"{array.shape[0]} rows, {rows} were sealed")


def _check_digest(stream: SealedStream, field: str, sealed: str) -> Iterator[Finding]:
    where = f"{stream.name}/{field}"
    try:
        found = column_digest(stream, field)
    except SessionError as error:
        yield Finding("error", "unreadable", where, str(error.found))
        return
    if found != sealed:
        yield Finding("error", "digest", where, "its rows differ from those that were sealed")
