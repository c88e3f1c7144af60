"""How fast and how cheaply a recording is stored: our log beside h5py, MCAP and Zarr append, and the live recorder.

All writers get the same rows in the same batches of a tenth of a second. `x_realtime` is by wall time,
`core_share_at_realtime` is processor seconds a recorded second, all threads included.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from dataset_tools.seal import seal_session
from skin_teleop.cli.bench_live import live_recorder
from skin_teleop.cli.bench_workload import Workload, live_workload
from skin_teleop.cli.bench_writers import YARDSTICKS, WriteBatch, our_log
from skin_teleop.rig import Rig, load_rig

YARDSTICK_SECONDS = 10.0
"""The yardsticks are slow: they are judged by this much of the recording."""


def bench_record(seconds: float) -> dict[str, Any]:
    """Figures of every writer for a recording of so many seconds, and of a recorder process fed at real time."""
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))
    with tempfile.TemporaryDirectory(prefix="skt-bench-") as name:
        folder, short = Path(name), live_workload(min(seconds, YARDSTICK_SECONDS))
        writers = {"ours": _ours(folder / "ours", live_workload(seconds), rig)}
        for writer, open_writer in YARDSTICKS.items():
            (folder / writer).mkdir()
            with open_writer(folder / writer, short) as write:
                writers[writer] = _figures(write, short)
        live = live_recorder(folder / "live", rig, min(seconds, YARDSTICK_SECONDS))
    writers["ours"] |= live
    return {"seconds": seconds, "load_average": os.getloadavg()[0], "writers": writers, "simulated": True}


def _ours(folder: Path, workload: Workload, rig: Rig) -> dict[str, float]:
    with our_log(folder, rig) as write:
        figures = _figures(write, workload)
    (live,) = folder.glob("*.rec")
    begun_s = time.perf_counter()
    seal_session(live)
    return figures | {"seal_x_realtime": workload.seconds / (time.perf_counter() - begun_s)}


def _figures(write: WriteBatch, workload: Workload) -> dict[str, float]:
    batches = list(workload.batches())
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    for batch in batches:
        write(batch)
    wall_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    return {
        "x_realtime": workload.seconds / wall_s,
        "core_share_at_realtime": cpu_s / workload.seconds,
        "rows_per_s": workload.row_count / wall_s,
        "megabytes_per_s": workload.byte_count / wall_s / 1e6,
    }
