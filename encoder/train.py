"""The trainer: one step, the loop around it, checkpoints, and how a time limit becomes a number of steps."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from encoder.diagnosis import diagnosis
from encoder.monitor import alarms, monitors
from encoder.objectives.choose import build_objective
from encoder.objectives.objective import Outcome
from encoder.presets import Recipe, preset
from encoder.run_folder import MetricsLog, RunSettings, begin, read_metrics, refuse_overwriting, unfinished_settings
from encoder.schedules import Schedules
from encoder.training_state import restore_state, save_state
from encoder.windows import TRAIN, VALIDATION, TactileWindows
from skin_teleop.errors import ConfigError, TrainingError

CHECKPOINT_EVERY_S = 20.0
METRICS_ROWS = 200
"""About how many rows of metrics a run writes."""
_WARM_STEPS, _TIMED_STEPS = 2, 6
"""The first steps pay for allocations that later ones reuse; the median of the others ignores a busy moment."""
_TIME_MARGIN = 0.9
_SEED_STRIDE = 1_000_003
BAD_STEPS_ALLOWED = 3
SETTLED_SHARE = 0.2
"""Share of a run before which collapse is not judged."""

_log = logging.getLogger(__name__)

OnStep = Callable[[int, int, float], None]
"""Called after each step with the steps done, all steps and the loss."""


class Training:
    """The objective, its optimiser and the windows; `step` is all that changes them."""

    def __init__(self, windows: TactileWindows, settings: RunSettings) -> None:
        self.recipe: Recipe = preset(settings.preset)
        self.settings = settings
        self.windows = windows
        self.rows = windows.rows(TRAIN, VALIDATION)
        self.schedules = Schedules(self.recipe, settings.steps)
        torch.manual_seed(settings.seed)
        self.objective = build_objective(settings.objective, self.recipe)
        self.alarms: list[str] = []
        self._bad_steps = 0
        mean, deviation = (torch.from_numpy(statistic).float() for statistic in windows.flux_statistics())
        for encoder in self.objective.encoders.values():
            encoder.set_statistics(mean, deviation)
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.objective.student), fused=True)

    def step(self, step: int) -> Outcome:
        """Do one step; everything random follows from the run's seed and the step.

        A step whose loss or gradient is not a number changes nothing; the third in a row raises TrainingError.
        """
        generator = torch.manual_seed(self.settings.seed * _SEED_STRIDE + step)
        drawn = torch.randint(len(self.rows), (self.recipe.batch,), generator=generator)
        batch = self.windows.gather(self.rows[drawn.numpy()])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bf16):
            folded = self.objective.student.encoder.fold(batch.flux, batch.position_m, batch.valid)
            outcome = self.objective.compute(folded, generator, self.schedules, step)
        self.optimiser.zero_grad(set_to_none=True)
        outcome.total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.objective.student.parameters(), self.recipe.clip_norm)
        if torch.isfinite(outcome.total) and torch.isfinite(norm):
            self._bad_steps = 0
            self._update(outcome, step)
        else:
            self._skip(outcome, norm, step)
        return outcome

    def _skip(self, outcome: Outcome, norm: Tensor, step: int) -> None:
        self._bad_steps += 1
        found = diagnosis(self.objective, outcome, norm)
        _log.warning("step %d is left out: %s", step, found)
        if self._bad_steps >= BAD_STEPS_ALLOWED:
            raise TrainingError(
                f"step {step} of the pretraining was asked for",
                found=f"{self._bad_steps} bad steps in a row: {found}",
                allowed="finite losses and gradients",
                next_step="look at metrics.jsonl, then start a new run with another --seed or --preset",
            )

    def _update(self, outcome: Outcome, step: int) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedules.learning_rate(step)
            group["weight_decay"] = self.schedules.weight_decay(step) if group["decays"] else 0.0
        self.optimiser.step()
        self.objective.after_update(outcome, self.schedules, step)

    def metrics(self, outcome: Outcome, step: int) -> dict[str, Any]:
        """One row of metrics.jsonl; new alarms are logged and kept in `alarms` and in the row."""
        figures = monitors(outcome)
        row = {
            "step": step,
            "loss": outcome.total.item(),
            **{name: term.item() for name, term in outcome.terms.items()},
            "learning_rate": self.schedules.learning_rate(step),
            "teacher_momentum": self.schedules.teacher_momentum(step),
            **figures,
        }
        settled = step >= SETTLED_SHARE * self.settings.steps  # an untrained network's summaries are all alike
        raised = [alarm for alarm in alarms(figures) if settled and alarm not in self.alarms]
        for alarm in raised:
            _log.warning("step %d: %s", step, alarm)
        self.alarms += raised
        return row | ({"alarms": raised} if raised else {})


def train(
    windows: TactileWindows,
    settings: RunSettings,
    folder: Path,
    *,
    on_step: OnStep | None = None,
    stop: threading.Event | None = None,
) -> Training:
    """Run, or go on with, the run in a folder until all its steps are done.

    The state is stored about every 20 s, after the last step, and when `stop` is set; then KeyboardInterrupt is
    raised. A resumed run gives the same numbers as one that was never interrupted.
    """
    training = Training(windows, settings)
    done = restore_state(folder, training.objective, training.optimiser)
    log = MetricsLog(folder, done)
    training.alarms = [alarm for row in read_metrics(folder) for alarm in row.get("alarms", [])]
    every = max(1, settings.steps // METRICS_ROWS)
    stored_at = time.monotonic()
    for step in range(done, settings.steps):
        outcome = training.step(step)
        if step % every == 0 or step == settings.steps - 1:
            log.append(training.metrics(outcome, step))
        stopping = stop is not None and stop.is_set()
        if stopping or step == settings.steps - 1 or time.monotonic() - stored_at > CHECKPOINT_EVERY_S:
            save_state(folder, training.objective, training.optimiser, step + 1)
            stored_at = time.monotonic()
        if stopping:
            raise KeyboardInterrupt
        if on_step is not None:
            on_step(step + 1, settings.steps, outcome.total.item())
    return training


def prepare(
    windows: TactileWindows,
    folder: Path,
    *,
    preset_name: str = "demo",
    objective: str = "sparsh",
    steps: int | None = None,
    max_time_s: float = 60.0,
    seed: int = 0,
) -> RunSettings:
    """Settle what a run will do and write it into the folder; an unfinished run there is taken up as it was begun.

    Without `steps`, a few steps are timed on a copy that is thrown away, and `max_time_s` becomes a fixed number of
    steps. Raises ConfigError where the folder holds a finished run, or an unfinished one of other data or settings.
    """
    refuse_overwriting(folder)
    begun = unfinished_settings(folder)
    fingerprints = {recording.name: recording.fingerprint() for recording in windows.recordings}
    wanted = RunSettings(preset_name, steps or 1, seed, windows.geometry, cpu_has_bf16(), fingerprints, objective)
    if begun is not None:
        _check_same(begun, wanted, folder, compare_steps=steps is not None)
        return begun
    if steps is None:
        wanted = dataclasses.replace(wanted, steps=steps_within(max_time_s, windows, wanted))
    begin(folder, wanted)
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


def cpu_has_bf16() -> bool:
    """True where the processor multiplies bfloat16 in hardware; elsewhere autocast would only cost time."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _check_same(begun: RunSettings, wanted: RunSettings, folder: Path, *, compare_steps: bool) -> None:
    names = ["preset", "objective", "seed", "geometry", "data_fingerprints", *(["steps"] if compare_steps else [])]
    different = [name for name in names if getattr(begun, name) != getattr(wanted, name)]
    if different:
        raise ConfigError(
            f"the run in {folder} was to be resumed",
            found="other " + ", ".join(different).replace("_", " "),
            allowed="the settings and sessions it was begun with",
            next_step="choose another --out for a new run",
        )


def _parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Matrices decay; vectors (biases, norms, the register and mask tokens) do not."""
    matrices = [p for p in network.parameters() if p.dim() >= 2]
    vectors = [p for p in network.parameters() if p.dim() < 2]
    return [{"params": matrices, "decays": True}, {"params": vectors, "decays": False}]
