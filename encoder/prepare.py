"""What a run will do, settled once and written down: its steps from a time limit, its data, what it extends."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from pathlib import Path

import numpy as np

from encoder.checkpoint import load_config
from encoder.device import device_has_bf16, training_device
from encoder.extension import extension_of
from encoder.provenance import seen
from encoder.ranks import leads, number_of_rank_0
from encoder.run_folder import RunSettings, begin, refuse_overwriting, unfinished_settings
from encoder.train import Training
from encoder.training_state import begin_from
from encoder.windows import TactileWindows
from skin_teleop.errors import ConfigError

_WARM_STEPS, _TIMED_STEPS = 2, 6
"""The first steps pay for allocations that later ones reuse; the median of the others ignores a busy moment."""
_TIME_MARGIN = 0.9

_log = logging.getLogger(__name__)


def prepare(
    windows: TactileWindows,
    folder: Path,
    *,
    preset_name: str = "demo",
    objective: str = "sparsh",
    steps: int | None = None,
    max_time_s: float = 60.0,
    seed: int = 0,
    augment: bool = False,
    extends: Path | None = None,
) -> RunSettings:
    """Settle what a run will do and write it into the folder; an unfinished run there is taken up as it was begun.

    Without `steps`, a few steps are timed on a copy that is thrown away, and `max_time_s` becomes a fixed number of
    steps. With `extends`, the run begins where that finished run ended. Raises ConfigError where the folder holds a
    finished run, or an unfinished one of other data or settings.
    """
    refuse_overwriting(folder)
    begun = unfinished_settings(folder)
    data = seen(windows.recordings, None if extends is None else load_config(extends))
    wanted = RunSettings(
        preset_name, steps or 1, seed, windows.geometry, device_has_bf16(), data.fingerprints, objective,
        augment=augment, simulated_sessions=data.simulated,
    )  # fmt: skip
    if extends is not None:
        wanted = extension_of(extends, wanted)
    if begun is not None:
        _check_same(begun, wanted, folder, compare_steps=steps is not None)
        return begun
    if steps is None:
        wanted = dataclasses.replace(wanted, steps=steps_within(max_time_s, windows, wanted))
    wanted = dataclasses.replace(wanted, steps=number_of_rank_0(wanted.steps, training_device()))
    if leads():
        if extends is not None:
            begin_from(extends, folder)  # before the run stands: without this state it would begin from nothing
        begin(folder, wanted)
    number_of_rank_0(0, training_device())  # nobody goes on before the folder stands
    return wanted


def steps_within(max_time_s: float, windows: TactileWindows, settings: RunSettings) -> int:
    """How many steps fit into a time, from timing a few on a copy; a tenth is kept as a margin."""
    began = time.monotonic()
    trial = Training(windows, dataclasses.replace(settings, steps=100))
    stamps = []
    for step in range(_WARM_STEPS + _TIMED_STEPS + 1):
        stamps.append(time.monotonic())
        trial.step(step)
    each_s = float(np.median(np.diff(stamps[_WARM_STEPS:])))
    left_s = max_time_s - (time.monotonic() - began)
    steps = max(1, math.floor(_TIME_MARGIN * left_s / each_s))
    _log.info("one step takes %.2f s: %d steps in %.0f s", each_s, steps, max_time_s)
    return steps


def _check_same(begun: RunSettings, wanted: RunSettings, folder: Path, *, compare_steps: bool) -> None:
    names = [
        "preset",
        "objective",
        "seed",
        "geometry",
        "data_fingerprints",
        "augment",
        "extends",
        *(["steps"] if compare_steps else []),
    ]
    different = [name for name in names if getattr(begun, name) != getattr(wanted, name)]
    if different:
        raise ConfigError(
            f"the run in {folder} was to be resumed",
            found="other " + ", ".join(different).replace("_", " "),
            allowed="the settings and sessions it was begun with",
            next_step="choose another --out for a new run",
        )
