"""Our export loaded by LeRobot itself, in LeRobot's own environment, which SKIN_TELEOP_LEROBOT_PYTHON names."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from skin_teleop.cli.main import main

PYTHON = os.environ.get("SKIN_TELEOP_LEROBOT_PYTHON", "")
LOAD = """
import json, sys
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

data = LeRobotDataset("local/export", root=sys.argv[1], delta_timestamps={"action": [0.0, 0.1]})
batch = next(iter(torch.utils.data.DataLoader(data, batch_size=4)))
row = data[30]
print(json.dumps({
    "frames": len(data), "episodes": data.num_episodes, "fps": data.fps, "tasks": sorted(set(batch["task"])),
    "shapes": {name: list(batch[name].shape) for name in ("observation.state", "observation.tactile", "action")},
    "t_mono": int(row["observation.t_mono"]), "tactile": float(row["observation.tactile"][7, 2]),
}))
"""


@pytest.mark.skipif(
    not PYTHON, reason="needs LeRobot in an environment of its own: set SKIN_TELEOP_LEROBOT_PYTHON to its python"
)
def test_lerobot_loads_our_export(record, tmp_path):
    pytest.importorskip("pyarrow", reason="exports need: pip install 'skin-teleop[export]'")
    sealed = seal_session(record(seconds=1.5, live=False))
    session = open_session(sealed)
    store, t0 = LabelStore(session), session.start_ns
    store.add("slide", t0 + 200_000_000, t0 + 700_000_000)
    store.add("squeeze", t0 + 800_000_000, t0 + 1_200_000_000)
    target = tmp_path / "lerobot"
    assert main(["export", "lerobot", str(sealed), "--to", str(target), "--fps", "50"]) == 0
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run([PYTHON, "-c", LOAD, str(target)], capture_output=True, text=True, env=offline, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["frames"], found["episodes"], found["fps"], found["tasks"]) == (45, 2, 50, ["slide can"])
    assert found["shapes"] == {
        "observation.state": [4, 16],
        "observation.tactile": [4, 368, 3],
        "action": [4, 2, 16],
    }
    frame_ns = t0 + 800_000_000 + 5 * 20_000_000
    assert found["t_mono"] == frame_ns
    assert found["tactile"] == session.streams["uskin"]["flux"][(frame_ns - t0) // 10_000_000][7, 2]
