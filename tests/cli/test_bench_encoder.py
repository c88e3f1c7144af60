from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch

from encoder.objectives.choose import build_objective
from encoder.objectives.crops import draw_views
from encoder.objectives.release import release_recipe
from encoder.objectives.sparsh import SparshObjective
from encoder.presets import OBJECTIVES, PRESETS, EncoderSize, Recipe
from skin_teleop.cli import bench_infer, bench_train
from skin_teleop.cli.bench_infer import latency_row
from skin_teleop.cli.main import main

SMALL = Recipe(size=EncoderSize(24, 2, 3), batch=4, local_crops=2, head_hidden=16, prototypes=32, drop_path=0.0)


def test_the_yardstick_computes_the_losses_of_sparsh_crop_by_crop():
    torch.manual_seed(0)
    ours = SparshObjective(SMALL)
    plain = build_objective("release", SMALL)
    plain.load_state_dict(ours.state_dict())
    folded, views = torch.randn(4, 368, 60), draw_views(4, 2, torch.Generator().manual_seed(1))
    with torch.no_grad():
        a, b = ours(folded, views, 0.04), plain(folded, views, 0.04)
    for name in ("total", "summary", "masked_tokens", "koleo"):
        assert getattr(b, name).item() == pytest.approx(getattr(a, name).item(), rel=1e-5), name
    assert "release" not in OBJECTIVES


def test_the_yardstick_has_the_releases_head_and_crops_at_equal_size_and_batch():
    recipe = release_recipe(SMALL)
    assert (recipe.prototypes, recipe.local_crops, recipe.head_hidden, recipe.head_bottleneck) == (65_536, 8, 2048, 256)
    assert (recipe.size, recipe.batch, recipe.learning_rate) == (SMALL.size, SMALL.batch, SMALL.learning_rate)


def test_one_configuration_is_measured_by_training_it(monkeypatch):
    monkeypatch.setitem(PRESETS, "small_test", SMALL)
    monkeypatch.setattr(bench_train, "MAX_STEPS", 6)
    row = bench_train.measure("small_test", "mae", 60.0)
    assert (row["steps"], row["prototypes"], row["objective"]) == (5, 32, "mae")
    assert row["windows_per_s"] > 0
    assert 0 < row["loader_share"] < 1
    assert row["peak_mib"] >= 0
    json.dumps(row)


def test_speedups_are_against_the_release_of_the_same_preset(monkeypatch, tmp_path, capsys):
    asked = []

    def measured(preset: str, objective: str, seconds: float):
        asked.append((preset, objective, seconds))
        speed = {"release": 2.0, "sparsh": 5.0}.get(objective, 8.0) * (10 if preset == "laptop" else 1)
        facts = {"loader_share": 0.01, "peak_mib": 100.0, "steps": 3, "device": "cpu", "precision": "float32"}
        return {"preset": preset, "objective": objective, "windows_per_s": speed} | facts

    monkeypatch.setattr(bench_train, "_measured", measured)
    assert main(["bench", "train", "--seconds", "20", "--json", str(tmp_path / "train.json")]) == 0
    figures = json.loads((tmp_path / "train.json").read_text())
    assert len(asked) == 2 * (1 + len(OBJECTIVES))
    assert sum(seconds for *_, seconds in asked) == pytest.approx(20.0)
    speedups = {(row["preset"], row["objective"]): row["speedup_vs_release"] for row in figures["rows"]}
    assert speedups["demo", "sparsh"] == speedups["laptop", "sparsh"] == 2.5
    assert speedups["laptop", "release"] == 1.0
    assert "batches of 8 on cpu" in capsys.readouterr().out


def test_latencies_become_percentiles_and_a_share_over_the_frame():
    row = latency_row("pad", "torch", [1.0] * 98 + [12.0, 20.0])
    assert row["p50_ms"] == 1.0
    assert row["p99_ms"] == pytest.approx(np.percentile([1.0] * 98 + [12.0, 20.0], 99))
    assert (row["overruns_share"], row["frames"]) == (0.02, 100)


def test_every_frame_of_bench_infer_goes_through_the_ring(monkeypatch, tmp_path):
    seen = []

    def infer(flux, position_m, valid):
        seen.append(flux.copy())
        return np.zeros((1, 24)), np.zeros((1, 18, 24))

    monkeypatch.setattr(bench_infer, "_runtimes", lambda size: iter([("torch", infer)]))
    monkeypatch.setattr(bench_infer, "MAX_FRAMES", 40)
    threads = torch.get_num_threads()
    assert main(["bench", "infer", "pad", "--seconds", "20", "--json", str(tmp_path / "infer.json")]) == 0
    (row,) = json.loads((tmp_path / "infer.json").read_text())["rows"]
    assert (row["size"], row["runtime"], row["frames"]) == ("pad", "torch", 40)
    assert len(seen) == 6 + 40  # of 15 warm frames, nine fill the ring
    assert all(np.array_equal(after[0, :-1], before[0, 1:]) for before, after in itertools.pairwise(seen))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("words", "message"),
    [(["train", "huge"], "found: huge; allowed: demo, laptop"), (["infer", "huge"], "found: huge; allowed: demo, pad")],
)
def test_what_cannot_be_measured_is_named(words, message, capsys):
    assert main(["bench", *words]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
