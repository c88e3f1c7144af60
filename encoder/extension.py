"""Going on from a finished run: in a new folder, with more steps, on the same or on more sessions.

The finished run stays as it is. The new one begins with its networks, centres and optimiser moments, keeps its
normalisation, and has schedules of its own (`encoder.schedules.Schedules.continued`).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from safetensors import SafetensorError

from encoder.checkpoint import load_config
from encoder.objectives.choose import build_objective
from encoder.presets import preset
from encoder.run_folder import EXTENSION_FILE, RunSettings
from encoder.stored_shapes import refuse_other_networks
from skin_teleop.errors import ConfigError


def extension_of(base: Path, wanted: RunSettings) -> RunSettings:
    """The settings as an extension of a finished run; raises ConfigError where that run was of another kind."""
    config = load_config(base)
    different = [name for name in ("preset", "objective", "geometry") if getattr(config, name) != getattr(wanted, name)]
    if different:
        raise ConfigError(
            f"an extension of {base} was asked for",
            found=", ".join(f"{name} {getattr(wanted, name)}" for name in different),
            allowed=", ".join(f"{name} {getattr(config, name)}" for name in different),
            next_step="leave out what the run has settled",
        )
    if not (base / EXTENSION_FILE).is_file():
        raise ConfigError(
            f"an extension of {base} was asked for",
            found=f"no {EXTENSION_FILE}: deleted, or not made by skin-teleop pretrain",
            next_step="a new run without --extend",
        )
    _refuse_other_networks(base, wanted)
    return dataclasses.replace(wanted, extends=base.resolve().name, steps_before=config.steps_before + config.steps)


def _refuse_other_networks(base: Path, wanted: RunSettings) -> None:
    asked = f"an extension of {base} was asked for"
    with torch.device("meta"):
        objective = build_objective(wanted.objective, preset(wanted.preset))
    try:
        another = "a new run without --extend, or the version that made this one"
        refuse_other_networks(asked, base / EXTENSION_FILE, objective, another)
    except (OSError, SafetensorError) as error:
        raise ConfigError(asked, found=f"{EXTENSION_FILE}: {error}") from error
