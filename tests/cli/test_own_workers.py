from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import os, sys, time
from skin_teleop.cli.own_workers import own_workers
if __name__ == "__main__":
    with own_workers(2) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_workers_leave_when_their_parent_is_killed(tmp_path: Path, wait_factor: float) -> None:
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert is_alive(worker)
    parent.kill()
    parent.wait()
    end_s = time.monotonic() + 5 * wait_factor
    while is_alive(worker) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not is_alive(worker)
    parent.stdout.close()


def is_alive(pid: int) -> bool:
    """Not gone, and not a zombie that nobody has buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
