"""Two processes with half a batch each against one process with the whole batch."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from safetensors.torch import load_file

from encoder import ranks
from encoder.prepare import prepare
from encoder.presets import PRESETS
from encoder.ranks import any_rank, average_gradients, leads, number_of_rank_0, rank, world
from encoder.run_folder import read_metrics, stored_states
from encoder.train import Training, train
from encoder.windows import TactileWindows
from skin_teleop.cli.main import main
from skin_teleop.rig import free_port

STEPS = 4
OBJECTIVES = ("sparsh", "jepa", "mae", "byol")
SCRIPT = """
    import sys, torch
    torch.set_num_threads(1)
    sys.path.insert(0, {tests!r})
    from conftest import make_session
    from pathlib import Path
    from encoder import presets
    from encoder.prepare import prepare
    from encoder.presets import EncoderSize, Recipe
    from encoder.ranks import ranks_of_torchrun
    from encoder.session_data import load_recording
    from encoder.train import train
    from encoder.windows import TactileWindows
    presets.PRESETS["small_test"] = {recipe!r}
    windows = TactileWindows([load_recording(make_session())])
    with ranks_of_torchrun():
        for objective in {objectives!r}:
            folder = Path({folder!r}) / objective
            settings = prepare(windows, folder, preset_name="small_test", objective=objective, steps={steps})
            train(windows, settings, folder)
"""


@pytest.fixture
def recipe(small_recipe, monkeypatch):
    """Without drop path, which each rank draws for itself; KoLeo and the last layer count from the first step on."""
    recipe = dataclasses.replace(small_recipe, drop_path=0.0, koleo_weight=1.0)
    monkeypatch.setitem(PRESETS, "small_test", recipe)
    return recipe


def run_two_ranks(folder: Path, recipe, seconds: float) -> None:
    tests, root = Path(__file__).parent, Path(__file__).parents[2]
    script = textwrap.dedent(SCRIPT).format(
        tests=str(tests), recipe=recipe, objectives=OBJECTIVES, folder=str(folder), steps=STEPS
    )
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "PYTHONPATH": str(root)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", script], env={**os.environ, **shared, "RANK": str(k), "LOCAL_RANK": str(k)}
        )
        for k in range(2)
    ]
    try:
        assert [process.wait(seconds) for process in ranks] == [0, 0]
    finally:
        for process in ranks:
            process.kill()


def test_two_ranks_give_the_loss_and_the_weights_of_one(recording, recipe, tmp_path, wait_factor):
    run_two_ranks(tmp_path / "two", recipe, 60 * wait_factor)
    windows = TactileWindows([recording])
    for objective in OBJECTIVES:
        one, two = tmp_path / "one" / objective, tmp_path / "two" / objective
        train(windows, prepare(windows, one, preset_name="small_test", objective=objective, steps=STEPS), one)
        alone, together = read_metrics(one), read_metrics(two)
        assert [row["step"] for row in together] == list(range(STEPS)), objective
        for a, b in zip(alone, together, strict=True):
            for name in (name for name in a if name == "loss" or name.endswith("_loss") or name == "koleo"):
                assert b[name] == pytest.approx(a[name], abs=1e-4), (objective, name, a["step"])
        weights, shared = (load_file(stored_states(folder)[0]) for folder in (one, two))
        for name in weights:
            if name.startswith("objective."):
                assert (weights[name] - shared[name]).abs().max() < 2e-3, (objective, name)
        centres = [name for name in weights if name.endswith("_centre")]
        assert len(centres) == (2 if objective == "sparsh" else 0)
        for name in centres:
            assert weights[name].abs().max() > 1e-3
            assert (weights[name] - shared[name]).abs().max() < 1e-5


def test_without_torchrun_nothing_is_shared(windows_of_one, small_preset, tmp_path):
    assert (rank(), world(), leads()) == (0, 1, True)
    training = Training(windows_of_one, prepare(windows_of_one, tmp_path, preset_name=small_preset, steps=1))
    assert any_rank(True, training.device)
    assert not any_rank(False, training.device)
    assert number_of_rank_0(7, training.device) == 7
    average_gradients(training.objective.parameters())  # leaves the absent gradients alone


@pytest.fixture
def windows_of_one(recording):
    return TactileWindows([recording])


def test_ranks_wait_for_the_probe_of_rank_0(monkeypatch):
    asked = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(ranks.distributed, "init_process_group", lambda _backend, **options: asked.update(options))
    monkeypatch.setattr(ranks.distributed, "destroy_process_group", lambda: None)
    monkeypatch.setattr(ranks.torch.cuda, "is_available", lambda: False)
    with ranks.ranks_of_torchrun():
        assert asked["timeout"].total_seconds() == 6 * 3600


def test_several_processes_need_one_folder_by_name(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["pretrain", "a_session"]) != 0
    assert "found: no --out; next: name a folder that all see" in capsys.readouterr().err.replace("\n", " ")
