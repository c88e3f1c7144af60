"""The yardsticks of `bench record`: what others would record with, given the same batches as our log."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import zarr

from dataset_tools.session_log import SessionLog
from skin_teleop.cli.bench_workload import STREAMS, Workload
from skin_teleop.errors import MissingPartError
from skin_teleop.messages import Array
from skin_teleop.rig import Rig

WriteBatch = Callable[[dict[str, Array]], None]
Writer = Callable[[Path, Workload], contextlib.AbstractContextManager[WriteBatch]]
CHUNK_S = 1.0
"""Rows of one second make a chunk, in HDF5 and in Zarr alike."""


@contextlib.contextmanager
def our_log(folder: Path, rig: Rig) -> Iterator[WriteBatch]:
    """The write-ahead log, row by row as the recorder hands them over, with its sync thread."""
    with SessionLog.create(folder, rig) as log:

        def write(batch: dict[str, Array]) -> None:
            for name, rows in batch.items():
                head = b"%s\0%s\0" % (STREAMS[name][0].__name__.encode(), name.encode())
                for row in rows:
                    frame = head + row.tobytes()
                    if not log.add_frame(frame):
                        log.add_packed(STREAMS[name][0].__name__, name, row.tobytes())
            log.flush()

        yield write


@contextlib.contextmanager
def hdf5_swmr(folder: Path, workload: Workload) -> Iterator[WriteBatch]:
    """h5py in single-writer multiple-reader mode, one dataset a column, flushed after every batch."""
    h5py = _module("h5py")
    with h5py.File(folder / "record.h5", "w", libver="latest") as file:
        sets = {
            (name, field): file.create_dataset(
                f"{name}/{field}",
                (0, *rows[field].shape[1:]),
                rows[field].dtype,
                maxshape=(None, *rows[field].shape[1:]),
                chunks=(_chunk_rows(name), *rows[field].shape[1:]),
            )
            for name, rows in workload.rows.items()
            for field in rows.dtype.names or ()
        }
        file.swmr_mode = True

        def write(batch: dict[str, Array]) -> None:
            for (name, field), dataset in sets.items():
                before, rows = dataset.shape[0], batch[name]
                dataset.resize(before + len(rows), axis=0)
                dataset[before:] = rows[field]
                dataset.flush()

        yield write


@contextlib.contextmanager
def mcap_file(folder: Path, workload: Workload) -> Iterator[WriteBatch]:
    """MCAP without compression, one message a row, the file flushed after every batch."""
    writing = _module("mcap.writer")
    with (folder / "record.mcap").open("wb") as file:
        writer = writing.Writer(file, compression=writing.CompressionType.NONE, chunk_size=64 << 10)
        writer.start()
        schema = writer.register_schema("row", "jsonschema", json.dumps({"type": "object"}).encode())
        channels = {name: writer.register_channel(name, "packed", schema) for name in workload.rows}

        def write(batch: dict[str, Array]) -> None:
            for name, rows in batch.items():
                for row in rows:
                    t_ns = int(row["t_mono"])
                    writer.add_message(channels[name], t_ns, row.tobytes(), t_ns, int(row["seq"]))
            file.flush()

        yield write
        writer.finish()


@contextlib.contextmanager
def zarr_append(folder: Path, workload: Workload) -> Iterator[WriteBatch]:
    """zarr-python's `append`, one array a column."""
    root = zarr.open_group(folder / "record.zarr", mode="w")
    arrays: dict[tuple[str, str], Any] = {
        (name, field): root.create_array(
            f"{name}/{field}",
            shape=(0, *rows[field].shape[1:]),
            dtype=rows[field].dtype,
            chunks=(_chunk_rows(name), *rows[field].shape[1:]),
        )
        for name, rows in workload.rows.items()
        for field in rows.dtype.names or ()
    }

    def write(batch: dict[str, Array]) -> None:
        for (name, field), array in arrays.items():
            array.append(batch[name][field])

    yield write


YARDSTICKS: dict[str, Writer] = {"h5py_swmr": hdf5_swmr, "mcap": mcap_file, "zarr_append": zarr_append}


def _chunk_rows(name: str) -> int:
    return max(1, round(STREAMS[name][1] * CHUNK_S))


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPartError(
            "bench record writes with h5py and mcap too", found=str(error), next_step="pip install 'skin-teleop[dev]'"
        ) from error
