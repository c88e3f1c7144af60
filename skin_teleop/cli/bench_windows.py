"""Random windows of the skin: a pack, plain memory and zarr-python slicing beside a numpy memmap, in the same run."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dataset_tools.pack import pack_session
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_log import SessionLog
from skin_teleop.cli.bench_workload import made_up_rows
from skin_teleop.messages import Array, SkinFrame
from skin_teleop.rig import load_rig

WINDOWS = (10, 100)
ROUNDS = 5
ROUND_S = 0.2

ReadWindow = Callable[[int, int], Array]


def bench_windows(seconds: float) -> dict[str, Any]:
    """Windows a second of each way, and its ratio to the memmap, for a recording of so many seconds."""
    with tempfile.TemporaryDirectory(prefix="skt-bench-") as folder:
        ways = _ways(Path(folder), seconds)
        figures = {str(length): _measure(ways, length, int(seconds * 100)) for length in WINDOWS}
    return {"seconds": seconds, "windows": figures, "simulated": True}


def _ways(folder: Path, seconds: float) -> dict[str, ReadWindow]:
    rows = made_up_rows(SkinFrame, 100.0, seconds)
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))
    with SessionLog.create(folder / "sessions", rig, live=False) as log:
        for count, row in enumerate(rows):
            log.add_packed("SkinFrame", "uskin", row.tobytes())
            if count % 100 == 0:
                log.flush()
    sealed = seal_session(log.folder)
    packed = open_session(pack_session(sealed, folder / "pack")).streams["uskin"]
    np.save(folder / "flux.npy", rows["flux"])
    mapped, memory = np.load(folder / "flux.npy", mmap_mode="r"), np.ascontiguousarray(rows["flux"])
    stored: Any = zarr.open_array(sealed / "session.zarr/streams/uskin/flux", mode="r")
    return {
        "memmap": lambda start, stop: np.array(mapped[start:stop]),
        "pack": lambda start, stop: np.array(packed.read("flux", start, stop)),
        "ram": lambda start, stop: memory[start:stop].copy(),
        "zarr_slice": lambda start, stop: np.asarray(stored[start:stop]),
    }


def _measure(ways: dict[str, ReadWindow], length: int, rows: int) -> dict[str, float]:
    """Every way takes its turn in every round, so that a busy machine slows all alike; the median round counts."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for k in range(ROUNDS + 1):
        starts = np.random.default_rng(k).integers(0, rows - length, 1 << 16).tolist()
        for name, read in ways.items():
            rates[name].append(_windows_per_s(read, starts, length))
    median = {name: float(np.median(found[1:])) for name, found in rates.items()}  # the first round warms the cache
    ratios = {f"{name}_to_memmap": rate / median["memmap"] for name, rate in median.items() if name != "memmap"}
    return ratios | {f"{name}_per_s": rate for name, rate in median.items()}


def _windows_per_s(read: ReadWindow, starts: list[int], length: int) -> float:
    begun_s, count = time.perf_counter(), 0
    while (taken_s := time.perf_counter() - begun_s) < ROUND_S:
        read(starts[count % len(starts)], starts[count % len(starts)] + length)
        count += 1
    return count / taken_s
