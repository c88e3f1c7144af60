"""What a pretraining run is made of: sizes of the encoder and the recipe of each preset. Needs no torch.

`paper`, `tiny`, `small` and `base` follow the public configurations of Sparsh-skin (arXiv 2505.11420): 8 local crops,
65 536 prototypes, AdamW 1e-4 with cosine, weight decay 0.04 to 0.4, drop path 0.3; `paper` is `tiny` on windows that
do not overlap, as published. `demo` is cut down until a minute on two CPU cores holds a useful number of steps; its
teacher is sharper and its centre follows faster, for with the paper's values a run of a hundred steps ends in the
uniform answer (tried on one simulated minute: loss at 2 ln K). `laptop` takes one token per pad, so that ten minutes
on a CPU hold many steps and the result is meant for 100 Hz (not measured); its schedule is that of `demo`, untuned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from skin_teleop.errors import ConfigError

TokenUnit = Literal["taxel", "pad"]
OBJECTIVES = ("sparsh", "jepa", "mae", "byol")


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """Width, number of blocks and attention heads of the vision transformer."""

    width: int
    depth: int
    heads: int
    tokens: TokenUnit = "taxel"
    """Whether a token stands for one of 368 taxels or for one of 18 pads."""


SIZES = {
    "demo": EncoderSize(96, 4, 3),
    "pad": EncoderSize(192, 12, 3, "pad"),
    "tiny": EncoderSize(192, 8, 3),
    "small": EncoderSize(384, 12, 6),
    "base": EncoderSize(768, 12, 12),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything about a run except its data, its length and its seed."""

    size: EncoderSize
    batch: int = 64
    local_crops: int = 8
    head_hidden: int = 2048
    head_bottleneck: int = 256
    prototypes: int = 65_536
    learning_rate: float = 1e-4
    first_learning_rate: float = 1e-5
    last_learning_rate: float = 1e-6
    warmup_share: float = 0.06
    """Share of all steps: the paper warms up over 30 of 500 epochs, the teacher temperature over 10 of 500."""
    temperature_ramp_share: float = 0.02
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    centre_momentum: float = 0.9
    weight_decay: tuple[float, float] = (0.04, 0.4)
    drop_path: float = 0.3
    clip_norm: float = 10.0
    koleo_weight: float = 0.1
    stride: int = 1
    """Frames between window starts. The paper takes 10; 1 gives ten times the views of the same recordings."""
    predictor_depth: int = 4
    """Blocks of the narrow transformer that guesses hidden tokens, for `jepa` and `mae`."""


PRESETS = {
    "demo": Recipe(
        size=SIZES["demo"],
        batch=10,
        local_crops=2,
        head_hidden=128,
        head_bottleneck=64,
        prototypes=256,
        learning_rate=5e-4,
        first_learning_rate=1e-4,
        last_learning_rate=1e-5,
        warmup_share=0.1,
        teacher_temperature=(0.03, 0.03),
        centre_momentum=0.5,
        weight_decay=(0.04, 0.04),
        drop_path=0.0,
        clip_norm=3.0,
        predictor_depth=2,
    ),
    "laptop": Recipe(
        size=SIZES["pad"],
        batch=64,
        local_crops=2,
        head_hidden=256,
        head_bottleneck=64,
        prototypes=256,
        learning_rate=5e-4,
        first_learning_rate=1e-4,
        last_learning_rate=1e-5,
        warmup_share=0.1,
        teacher_temperature=(0.03, 0.03),
        centre_momentum=0.5,
        weight_decay=(0.04, 0.04),
        drop_path=0.0,
        clip_norm=3.0,
        predictor_depth=2,
    ),
    "paper": Recipe(size=SIZES["tiny"], stride=10),
    "tiny": Recipe(size=SIZES["tiny"]),
    "small": Recipe(size=SIZES["small"]),
    "base": Recipe(size=SIZES["base"]),
}


def preset(name: str) -> Recipe:
    """The recipe of a preset; raises ConfigError for an unknown one."""
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} was asked for", allowed=", ".join(PRESETS))
    return PRESETS[name]
