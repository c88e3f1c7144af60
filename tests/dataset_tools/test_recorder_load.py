"""A recorder process at the live rates while every core is busy: nothing may be dropped, missing or out of order."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from dataset_tools.reader import open_session
from skin_teleop.cli.bench_live import live_recorder
from skin_teleop.cli.bench_workload import live_workload
from skin_teleop.rig import load_rig

SECONDS = float(os.environ.get("SKIN_TELEOP_RECORD_S", "4"))
"""Set SKIN_TELEOP_RECORD_S=600 for the long run; `pytest -s` prints its figures."""
BURN = "import os, sys\nos.nice(19)\nprint(1, flush=True)\nwhile True: sum(range(10_000))"


@pytest.fixture
def busy_cores() -> Iterator[int]:
    """A process that never rests for every core, of low priority, so that others still get their turn."""
    burning = [
        subprocess.Popen([sys.executable, "-c", BURN], stdout=subprocess.PIPE) for _ in range(os.cpu_count() or 1)
    ]
    for process in burning:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
    yield len(burning)
    for process in burning:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.timeout(120 + 3 * SECONDS)
def test_nothing_is_dropped_under_load(tmp_path, busy_cores):
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))
    figures = live_recorder(tmp_path / "live", rig, SECONDS)
    assert (figures["dropped"], figures["refused_by_the_bus"]) == (0, 0)
    (sealed,) = (tmp_path / "live").iterdir()
    session = open_session(sealed)
    for name, rows in live_workload(SECONDS).rows.items():
        stream = session.streams[name]
        assert stream.attributes["dropped"] == 0 and stream.attributes["out_of_order"] == 0
        assert np.array_equal(stream["seq"], np.arange(len(rows))), name
        assert np.array_equal(stream["t_mono"], rows["t_mono"]), name
    print(
        f"\n{SECONDS:.0f} s at the live rates with {busy_cores} busy cores, load average {os.getloadavg()[0]:.1f}: "
        f"0 dropped, {figures['recorder_core_share']:.1%} of a core"
    )
