"""A real recorder process fed over the real bus at the live rates: its share of a core, and the rows it lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dataset_tools.reader import open_session
from skin_teleop.bus import CommandSender, Latest, RecorderFeed
from skin_teleop.cli.bench_workload import STREAMS, Workload, live_workload
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import ProcessDied
from skin_teleop.messages import RecorderCommand, RecorderStatus, Sample
from skin_teleop.rig import Rig

START_S = 20.0


def live_recorder(folder: Path, rig: Rig, seconds: float) -> dict[str, float]:
    """Record for some seconds at real time; raises ProcessDied when the recorder does not answer."""
    workload = live_workload(seconds)
    with tempfile.TemporaryDirectory(prefix="skt-") as name:
        runtime = Path(name)
        rig.with_recordings_in(folder).save(runtime)
        process = subprocess.Popen(
            [sys.executable, "-m", "skin_teleop.cli.process", "recorder", str(runtime), str(os.getpid())]
        )
        commands, statuses = CommandSender(runtime, "recorder"), Latest(runtime, "recorder", RecorderStatus)
        try:
            commands.send(RecorderCommand("start"))
            _until(statuses, "recording", START_S)
            before_s, begun_s = _cpu_s(process.pid), time.perf_counter()
            refused = _feed(runtime, workload)
            share = (_cpu_s(process.pid) - before_s) / (time.perf_counter() - begun_s)
            stopped_s = time.perf_counter()
            commands.send(RecorderCommand("stop"))
            sealed = _until(statuses, "idle", START_S + seconds).last_sealed
            stop_to_sealed_s = time.perf_counter() - stopped_s
        finally:
            process.terminate()
            process.wait()
            commands.close()
            statuses.close()
    stored = sum(stream.rows for name, stream in open_session(sealed).streams.items() if name in workload.rows)
    return {
        "dropped": workload.row_count - stored,
        "refused_by_the_bus": refused,
        "recorder_core_share": share,
        "stop_to_sealed_s": stop_to_sealed_s,
    }


def _feed(runtime: Path, workload: Workload) -> int:
    """Send every row when it is due, on as many feeds as a rig has; returns how many the bus refused."""
    feeds = {name: RecorderFeed(runtime) for name in workload.rows if name != "wrist"}
    feeds["wrist"] = feeds["allegro_target"]  # the follower hands over both
    rows = sorted((int(row["t_mono"]), name, row.tobytes()) for name, rows in workload.rows.items() for row in rows)
    begun_ns, refused = time.monotonic_ns(), 0
    for t_ns, name, row in rows:
        pause_s = (t_ns - NS_PER_S + begun_ns - time.monotonic_ns()) / NS_PER_S
        if pause_s > 0:
            time.sleep(pause_s)
        sample: Sample = STREAMS[name][0].unpack(row)
        refused += not feeds[name].send(sample, name)
    for feed in set(feeds.values()):
        feed.close()
    return refused


def _until(statuses: Latest[RecorderStatus], state: str, timeout_s: float) -> RecorderStatus:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        status = statuses.take(100)
        if status is not None and status.state == state and (state != "idle" or status.last_sealed):
            return status
    raise ProcessDied("the recorder was asked to record", found=f"it never was {state} within {timeout_s:.0f} s")


def _cpu_s(pid: int) -> float:
    """Processor seconds of all threads of a process so far (proc(5), /proc/pid/task/tid/schedstat, ns)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / NS_PER_S
