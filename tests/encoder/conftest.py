"""A made-up session with the same attributes as a recorded one: contacts wander over the pads, the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from encoder.presets import PRESETS, EncoderSize, Recipe
from encoder.session_data import TactileRecording, load_recording
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout

START_NS = 5_000_000_000
TICK_NS = 10_000_000
REST_FRAMES = 50


@dataclass
class MadeUpStream:
    columns: dict[str, np.ndarray]

    @property
    def t_mono(self) -> np.ndarray:
        return self.columns["t_mono"]

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]


@dataclass
class MadeUpSession:
    path: Path
    streams: Mapping[str, Any]
    rest_span_ns: tuple[int, int] | None
    meta: dict[str, Any] = field(
        default_factory=lambda: {"rig": msgspec.to_builtins(load_rig("simulated")), "simulated": True}
    )


def make_session(n_frames: int = 900, seed: int = 0, *, truth: bool = True, rest: bool = True) -> MadeUpSession:
    """Session of `n_frames` at 100 Hz: 0.5 s of rest, then every pad is pressed in its own rhythm with up to 1 N."""
    rng = np.random.default_rng(seed)
    t_ns = START_NS + TICK_NS * np.arange(n_frames)
    rhythm, phase = rng.uniform(0.6, 1.6, 18), rng.uniform(0, 2 * np.pi, 18)
    force_n = np.clip(np.sin(np.arange(n_frames)[:, None] / 100 * 2 * np.pi * rhythm + phase), 0, None)  # (T, 18)
    force_n[:REST_FRAMES] = 0
    gain = rng.uniform(200, 400, (368, 3)) * [0.2, 0.2, 1]
    flux = 40_000 + force_n[:, skin_layout().pad_index, None] * gain + rng.normal(0, 3, (n_frames, 368, 3))
    t_hand_ns = START_NS - 2_000_000 + 3_003_003 * np.arange(int(n_frames * 3.33) + 2)
    bend = np.sin(np.arange(len(t_hand_ns)) / 300)[:, None] * 0.3 + 0.5
    streams = {
        "uskin": MadeUpStream(
            {"t_mono": t_ns, "flux": flux.round().astype(np.uint16), "age_ms": np.zeros((n_frames, 368), np.uint16)}
        ),
        "allegro": MadeUpStream({"t_mono": t_hand_ns, "position": np.tile(bend, 16).astype(np.float32)}),
    }
    if truth:
        wrench = np.zeros((n_frames, 18, 6), np.float32)
        wrench[..., 2] = -force_n
        streams["truth"] = MadeUpStream({"t_mono": t_ns, "pad_wrench": wrench})
    span = (START_NS, START_NS + TICK_NS * (REST_FRAMES - 1)) if rest else None
    return MadeUpSession(Path(f"made_up_{seed}"), streams, span)


@pytest.fixture(scope="session")
def session() -> Callable[..., MadeUpSession]:
    return make_session


@pytest.fixture(scope="session")
def recording() -> TactileRecording:
    return load_recording(make_session())


@pytest.fixture(scope="session")
def small_recipe() -> Recipe:
    return Recipe(size=EncoderSize(24, 2, 3), batch=4, local_crops=2, head_hidden=16, prototypes=32, learning_rate=1e-3)


@pytest.fixture
def small_preset(small_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> str:
    """The preset `small_test`, so that a whole run takes a second."""
    monkeypatch.setitem(PRESETS, "small_test", small_recipe)
    return "small_test"


@pytest.fixture(autouse=True)
def own_random_numbers() -> Iterator[None]:
    """A fixed seed, and one thread: the arrays here are too small for more."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
