"""Which runs are seeds of one row of a benchmark, and what the rows are called."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from encoder import checkpoint
from encoder.checkpoint import EncoderConfig
from encoder.presets import PRESETS
from skin_teleop.cli.benchmark import _by_kind

RUN = EncoderConfig(
    "skin_teleop.encoder/1", PRESETS["demo"].size, "vendor", "xela_ah_right", "demo", "student", chosen_by="",
    steps=400, seed=0, simulated=True, data_fingerprints={"a": "1"}, bf16=False, objective="mae",
)  # fmt: skip
ONE_ROW = {
    "sim/0": RUN,
    "sim/1": msgspec.structs.replace(RUN, seed=1, steps=431),
    "sim/2": msgspec.structs.replace(RUN, seed=2, steps=377),
}


def rows(runs: dict[str, EncoderConfig], monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Name of each row and the folders of its members."""
    monkeypatch.setattr(checkpoint, "load_config", lambda folder: runs[str(folder)])
    monkeypatch.setattr(checkpoint, "load_encoder", lambda folder: None)
    kinds = _by_kind([Path(folder) for folder in runs])
    return {name: [str(folder) for folder, _, _ in members] for name, members in kinds.items()}


def test_seeds_of_a_recipe_that_was_given_a_time_share_a_row(monkeypatch):
    assert rows(ONE_ROW, monkeypatch) == {"mae demo": ["sim/0", "sim/1", "sim/2"]}


def test_seeds_that_extend_runs_of_their_own_share_a_row_beside_what_they_extend(monkeypatch):
    longer = {
        f"more/{seed}": msgspec.structs.replace(RUN, seed=seed, extends=f"run_{seed}", steps_before=400 + seed)
        for seed in range(2)
    }
    assert rows(ONE_ROW | longer, monkeypatch) == {
        "mae demo (sim/0)": ["sim/0", "sim/1", "sim/2"],
        "mae demo (more/0)": ["more/0", "more/1"],
    }


def test_folders_of_one_name_lose_no_row(monkeypatch):
    runs = {
        "sim/demo": RUN,
        "real/demo": msgspec.structs.replace(RUN, data_fingerprints={"b": "2"}),
        "long": msgspec.structs.replace(RUN, steps=4000),
        "jepa/demo": msgspec.structs.replace(RUN, objective="jepa"),
    }
    assert rows(runs, monkeypatch) == {
        "mae demo (sim/demo)": ["sim/demo"],
        "mae demo (real/demo)": ["real/demo"],
        "mae demo (long)": ["long"],
        "jepa demo": ["jepa/demo"],
    }
