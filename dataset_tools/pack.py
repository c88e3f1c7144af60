"""The training form of a session: every column in one plain file that is mapped into memory.

A pack is a folder with session.json, the labels and `pack.zarr`: Zarr v3 with the bytes codec alone and one chunk a
column, so that the chunk's file is the column's bytes. Any Zarr reader opens it, and `numpy.memmap` reads random
windows at the speed of the page cache, shared by all processes of the machine.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dataset_tools.durable import is_temporary, rename_durably, sync_tree
from dataset_tools.manifest import own_file
from dataset_tools.reader import Session, open_session
from dataset_tools.session_folder import META_FILE, PACK_FOLDER, SCHEMA
from dataset_tools.store_layout import StoreLayout
from dataset_tools.stream import Stream, column_file
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array


def pack_session(path: Path, target: Path) -> Path:
    """Write the pack of a session to a new folder and return it; every column is checked against its digest.

    Raises SessionError when the target exists, the disk fails, or the session differs from what was sealed.
    """
    session = open_session(path)
    if target.exists():
        raise SessionError(f"the pack {target} was asked for", found="it exists already", allowed="a new folder")
    building = target.with_name(f".{target.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        building.mkdir(parents=True)
        _write_pack(session, building)
        sync_tree(building)
        rename_durably(building, target)
    except OSError as error:
        raise SessionError(f"the pack {target} cannot be written", found=error.strerror or str(error)) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _write_pack(session: Session, folder: Path) -> None:
    shutil.copyfile(session.path / META_FILE, folder / META_FILE)
    if (session.path / "labels").is_dir():
        for file in (session.path / "labels").rglob("*"):
            own_file(session.path, file.relative_to(session.path).as_posix())
        shutil.copytree(session.path / "labels", folder / "labels", ignore=_temporaries)
    root = zarr.open_group(folder / PACK_FOLDER, mode="w")
    digests = {name: _write_stream(root, stream) for name, stream in session.streams.items()}
    for name, columns in session.digests.items():
        for field, digest in columns.items():
            if digests[name][field] != digest:
                raise SessionError(
                    f"{session.path} cannot be packed",
                    found=f"{name}/{field} does not match its digest",
                    next_step=f"skin-teleop check {session.path}",
                )
    facts: dict[str, Any] = {"schema": SCHEMA, "version": session.meta["version"], "digests": digests}
    root.update_attributes(facts | {"stream_groups": [f"streams/{name}" for name in session.streams]})


def _temporaries(_: str, names: list[str]) -> list[str]:
    return [name for name in names if is_temporary(Path(name))]


def _write_stream(root: zarr.Group, stream: Stream) -> dict[str, str]:
    group = root.create_group(f"streams/{stream.name}", attributes={"name": stream.name} | stream.attributes)
    return {field: _write_column(group, stream, field) for field in stream.fields}


def _write_column(group: zarr.Group, stream: Stream, field: str) -> str:
    """Declare the array to Zarr, then fill its only chunk's file block by block; returns the digest of its bytes."""
    first = stream.read(field, 0, 1)
    shape = (stream.rows, *first.shape[1:])
    array = group.create_array(field, shape=shape, dtype=first.dtype, chunks=shape, compressors=None, fill_value=0)
    file = column_file(array)
    file.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with file.open("wb") as chunk:
        for start, stop in StoreLayout.of(stream.rows, float(stream.attributes["nominal_hz"])).spans():
            rows: Array = np.ascontiguousarray(stream.read(field, start, stop))
            digest.update(rows.data)
            chunk.write(rows.data)
    return digest.hexdigest()
