"""A real recorder process is killed (SIGKILL) at random moments while rows arrive; the rows it had must be there.

The feeder stamps each row when it sends it. Every row stamped more than 100 ms before the kill must be recovered, in
order and bit for bit. Moments in which this machine did not run the feeder itself are added to the 100 ms: a machine
that stalls stalls the recorder too.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.reader import open_session
from dataset_tools.recovery import recover_folder
from skin_teleop.bus import CommandSender, Latest, RecorderFeed
from skin_teleop.clock import NS_PER_MS, Stamp, mono_ns
from skin_teleop.messages import JointState, RecorderCommand, RecorderStatus
from skin_teleop.rig import Rig

KILLS = int(os.environ.get("SKIN_TELEOP_KILLS", "10"))
"""Set SKIN_TELEOP_KILLS=100 for the long run; `pytest -s` prints its figures."""
RECORDER = """
import sys, threading
from pathlib import Path
from dataset_tools.recorder import run
from skin_teleop.rig import saved_rig
runtime = Path(sys.argv[1])
run(saved_rig(runtime), runtime, threading.Event())
"""


class Feeder(threading.Thread):
    """Sends numbered joint states at about 1 kHz and remembers each one."""

    def __init__(self, runtime: Path) -> None:
        super().__init__()
        self.sent: list[JointState] = []
        self.longest_pause_ns = 0
        self.halt = threading.Event()
        self._runtime = runtime

    def run(self) -> None:
        feed = RecorderFeed(self._runtime)
        last_ns = mono_ns()
        while not self.halt.wait(0.001):
            k = len(self.sent)
            values = np.random.default_rng(k).normal(size=(4, 16)).astype(np.float32)
            row = JointState.stamped(
                Stamp.now(),
                k,
                position=values[0],
                velocity=values[1],
                target=values[2],
                torque_command=values[3],
                target_seq=k,
                t_command=k,
            )
            self.longest_pause_ns = max(self.longest_pause_ns, row.t_mono - last_ns)
            last_ns = row.t_mono
            if not feed.send(row, "allegro"):
                break
            self.sent.append(row)
        feed.close()


def kill_while_recording(rig: Rig, runtime: Path, moment_s: float, wait_s: float) -> tuple[Feeder, int]:
    """Start a recorder, feed it, kill it; returns the feeder and t_mono of the kill."""
    runtime.mkdir()
    rig.save(runtime)
    process = subprocess.Popen([sys.executable, "-c", RECORDER, str(runtime)])
    commands, statuses = CommandSender(runtime, "recorder"), Latest(runtime, "recorder", RecorderStatus)
    feeder = Feeder(runtime)
    try:
        commands.send(RecorderCommand("start"))
        deadline = time.monotonic() + wait_s
        while (status := statuses.take(100)) is None or status.state != "recording":
            assert time.monotonic() < deadline
        feeder.start()
        time.sleep(moment_s)
        t_kill_ns = mono_ns()
        process.kill()
    finally:
        process.kill()
        process.wait()
        feeder.halt.set()
        feeder.join()
        commands.close()
        statuses.close()
    return feeder, t_kill_ns


@pytest.mark.timeout(60 + 20 * KILLS)
def test_at_most_100_ms_of_rows_are_lost_at_a_kill(rig, runtime, wait_factor):
    rng, promised, losses_ms = random.Random(11), 0, []
    for k in range(KILLS):
        moment_s = rng.uniform(0.05, 0.5) + 0.1 * wait_factor
        feeder, t_kill_ns = kill_while_recording(rig, runtime / str(k), moment_s, 20 * wait_factor)
        allowed_ns = 100 * NS_PER_MS * wait_factor + feeder.longest_pause_ns
        (recovered,) = recover_folder(Path(rig.recorder.folder))
        assert recovered.problem == ""
        stream = open_session(recovered.path).streams["allegro"]
        expected = sum(row.t_mono <= t_kill_ns - allowed_ns for row in feeder.sent)
        promised += expected
        assert expected <= stream.rows <= len(feeder.sent)
        last_ns = int(stream.t_mono[-1]) if stream.rows else feeder.sent[0].t_mono
        losses_ms.append(max(0.0, (t_kill_ns - last_ns) / NS_PER_MS))
        stored = {field: stream[field] for field in stream.fields}
        for i in range(stream.rows):
            for field, column in stored.items():
                assert np.array_equal(column[i], getattr(feeder.sent[i], field)), (i, field)
    assert promised > 100
    print(
        f"\n{KILLS} kills while recording: 0 corrupt, last row before the kill "
        f"{np.median(losses_ms):.0f} ms (median), {max(losses_ms):.0f} ms (longest)"
    )
