"""The trainer: one step, the loop around it, and checkpoints."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dataset_tools.durable import remove_temporaries
from encoder.augmentation import SkinInstance
from encoder.device import training_device
from encoder.diagnosis import diagnosis
from encoder.monitor import alarms, monitors
from encoder.objectives.choose import build_objective
from encoder.objectives.objective import Outcome, of_whole_batch
from encoder.presets import Recipe, preset
from encoder.ranks import any_rank, average_gradients, leads, own_part, rank, world
from encoder.run_folder import MetricsLog, RunSettings, read_metrics
from encoder.schedules import Schedules
from encoder.training_state import restore_state, save_state
from encoder.windows import TRAIN, VALIDATION, TactileWindows
from skin_teleop.errors import ConfigError, TrainingError

CHECKPOINT_EVERY_S = 20.0
CHECKPOINT_WRITES = 20
"""A state is stored no sooner than after this many times what writing the last one took."""
METRICS_ROWS = 200
"""About how many rows of metrics a run writes."""
_SEED_STRIDE, _RANK_STRIDE = 1_000_003, 7_919_000_003
BAD_STEPS_ALLOWED = 3
SETTLED_SHARE = 0.2
"""Share of a run before which collapse is not judged."""

_log = logging.getLogger(__name__)

OnStep = Callable[[int, int, float], None]
"""Called after each step with the steps done, all steps and the loss."""


class Training:
    """The objective, its optimiser and the windows; `step` is all that changes them."""

    def __init__(self, windows: TactileWindows, settings: RunSettings, recipe: Recipe | None = None) -> None:
        """`recipe` takes the place of the preset's; only measurements do that."""
        self.recipe: Recipe = recipe or preset(settings.preset)
        self.settings = settings
        self.windows = windows
        self.rows = windows.rows(TRAIN, VALIDATION)
        self.schedules = Schedules(self.recipe, settings.steps, continued=bool(settings.extends))
        self.device = training_device()
        _check_batch(self.recipe.batch)
        torch.manual_seed(settings.seed)
        self.objective = build_objective(settings.objective, self.recipe)
        self.alarms: list[str] = []
        self.core_s = 0.0
        """Core seconds of this process up to the state stored last, with those of earlier calls and extended runs."""
        self._bad_steps = 0
        self._instance = SkinInstance() if settings.augment else None
        mean, deviation = (torch.from_numpy(statistic).float() for statistic in windows.flux_statistics())
        for encoder in self.objective.encoders.values():
            encoder.set_statistics(mean, deviation)
        self.objective.to(self.device)
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.objective.student), fused=True)

    def step(self, step: int) -> Outcome:
        """Do one step; everything random follows from the run's seed and the step.

        A step whose loss or gradient is not a number changes nothing; the third in a row raises TrainingError.
        """
        seed = self.settings.seed * _SEED_STRIDE + self.settings.steps_before + step
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed + rank() * _RANK_STRIDE)  # drop path is each rank's own
        skins = torch.Generator().manual_seed(seed + rank() * _RANK_STRIDE)
        flux, position_m, valid = self._draw(generator, skins)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
            folded = self.objective.student.encoder.fold(flux, position_m, valid)
            outcome = self.objective.compute(folded, generator, self.schedules, step)
        self.optimiser.zero_grad(set_to_none=True)
        outcome.total.backward()  # type: ignore[no-untyped-call]
        average_gradients(self.objective.student.parameters())
        outcome = of_whole_batch(outcome)
        norm = nn.utils.clip_grad_norm_(self.objective.student.parameters(), self.recipe.clip_norm)
        if torch.isfinite(outcome.total) and torch.isfinite(norm):
            self._bad_steps = 0
            self._update(outcome, step)
        else:
            self._skip(outcome, norm, step)
        return outcome

    def _draw(self, generator: torch.Generator, skins: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Flux, positions and validity of this rank's part of the step's windows; `skins` draws what they feel like."""
        drawn = own_part(torch.randint(len(self.rows), (self.recipe.batch,), generator=generator))
        batch = self.windows.gather(self.rows[drawn.numpy()], self._instance, skins)
        return batch.flux.to(self.device), batch.position_m.to(self.device), batch.valid.to(self.device)

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

    The state is stored about every 20 s, less often where writing it takes more than a second, after the last step,
    and when `stop` is set; then KeyboardInterrupt is raised. A resumed run gives the same numbers as one that was never
    interrupted.
    """
    training = Training(windows, settings)
    done, training.core_s = restore_state(folder, training.objective, training.optimiser)
    log = MetricsLog(folder, done) if leads() else None
    training.alarms = [alarm for row in read_metrics(folder) for alarm in row.get("alarms", [])]
    every = max(1, settings.steps // METRICS_ROWS)
    checkpoints = Checkpoints(folder, training)
    for step in range(done, settings.steps):
        outcome = training.step(step)
        if log is not None and (step % every == 0 or step == settings.steps - 1):
            log.append(training.metrics(outcome, step))
        stopping = any_rank(stop is not None and stop.is_set(), training.device)
        if leads() and (stopping or step == settings.steps - 1 or checkpoints.due):
            checkpoints.store(step + 1)
        if stopping:
            raise KeyboardInterrupt
        if on_step is not None:
            on_step(step + 1, settings.steps, outcome.total.item())
    return training


class Checkpoints:
    """When the state of a run is stored, and what the run has cost so far."""

    def __init__(self, folder: Path, training: Training) -> None:
        """Room that states of a killed run took, cut off while they were written, is given back."""
        if leads():
            remove_temporaries(folder)
        self._folder, self._training = folder, training
        self._core_zero_s = time.process_time() - training.core_s
        self._due_at = time.monotonic() + CHECKPOINT_EVERY_S

    @property
    def due(self) -> bool:
        """True once the next state should be stored."""
        return time.monotonic() > self._due_at

    def store(self, steps_done: int) -> None:
        """Store the state; raises TrainingError where there is no room."""
        began, training = time.monotonic(), self._training
        training.core_s = time.process_time() - self._core_zero_s
        save_state(self._folder, training.objective, training.optimiser, steps_done, training.core_s)
        ended = time.monotonic()
        self._due_at = ended + max(CHECKPOINT_EVERY_S, CHECKPOINT_WRITES * (ended - began))


def _check_batch(batch: int) -> None:
    if batch % world():
        raise ConfigError(
            f"{world()} ranks were to share a batch", found=f"{batch} windows", allowed=f"a multiple of {world()}"
        )


def _parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Matrices decay; vectors (biases, norms, the register and mask tokens) do not."""
    matrices = [p for p in network.parameters() if p.dim() >= 2]
    vectors = [p for p in network.parameters() if p.dim() < 2]
    return [{"params": matrices, "decays": True}, {"params": vectors, "decays": False}]
