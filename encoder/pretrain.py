"""One call from recordings to a finished run folder: train, choose a network, probe it, draw a reconstruction."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from encoder.card import ProbeTable, model_card
from encoder.checkpoint import CARD_FILE, SCHEMA, EncoderConfig, save_encoder
from encoder.features import encoder_features
from encoder.objectives.objective import Objective
from encoder.prepare import prepare
from encoder.presets import preset
from encoder.probe import MAIN_METRIC, ProbeTask, probe, probe_task, validation_scores
from encoder.ranks import leads, number_of_rank_0
from encoder.reconstruction import reconstruct
from encoder.run_folder import RUN_FILE, read_metrics, write_atomically
from encoder.session_data import TactileRecording
from encoder.train import OnStep, Training, train
from encoder.training_state import keep_for_extension
from encoder.windows import TactileWindows
from skin_teleop.errors import SessionError

PROBE_FILE = "probe.json"
_LOSS_ROWS = 3

_log = logging.getLogger(__name__)


_Exported = Literal["student", "teacher"]


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """What a run came to."""

    run: str
    windows: int
    """Windows that the run could draw from."""
    steps: int
    seconds: float
    """Of training in this call, without the probe."""
    loss_first: float
    """Mean of the first three rows of metrics.jsonl; the teacher sharpens meanwhile, so the loss need not fall."""
    loss_last: float
    exported: str
    probe: ProbeTable | None
    probe_skipped: str
    """Why there is no probe, empty where there is one."""
    alarms: tuple[str, ...]
    """Signs of collapse that were seen, in words."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    exported: _Exported
    chosen_by: str
    probe: ProbeTable | None
    probe_skipped: str


_OF_RANK_0 = _Verdict("student", "rank 0", None, "rank 0 does it")


def pretrain(
    recordings: Sequence[TactileRecording],
    folder: Path,
    *,
    preset_name: str = "demo",
    objective: str = "sparsh",
    steps: int | None = None,
    max_time_s: float = 60.0,
    seed: int = 0,
    geometry: str = "vendor",
    augment: bool = False,
    extends: Path | None = None,
    on_step: OnStep | None = None,
    on_stage: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> PretrainResult:
    """Pretrain on recordings, or go on with the unfinished run in `folder`, and leave a finished run there.

    `augment` shows every window as another skin would have felt it. `extends` names a finished run that the new one
    goes on from. Under torchrun every rank calls this.

    Raises ConfigError where the folder is taken or the settings differ, SessionError where the recordings are too
    short, TrainingError when the loss is not a number, KeyboardInterrupt (after saving) once `stop` is set.
    """
    say = on_stage or _log.info
    windows = TactileWindows(recordings, stride=preset(preset_name).stride, geometry=geometry)
    timing = steps is None and not (folder / RUN_FILE).exists()
    say(f"{len(windows)} windows" + ("; measuring the speed" if timing else ""))
    settings = prepare(
        windows,
        folder,
        preset_name=preset_name,
        objective=objective,
        steps=steps,
        max_time_s=max_time_s,
        seed=seed,
        augment=augment,
        extends=extends,
    )
    say(f"pretraining for {settings.steps} steps")
    began = time.monotonic()
    training = train(windows, settings, folder, on_step=on_step, stop=stop)
    seconds = time.monotonic() - began
    training.objective.cpu()
    verdict = _finish(training, folder, say) if leads() else _OF_RANK_0
    number_of_rank_0(0, training.device)  # nobody leaves, and nobody reads the folder, before it is finished
    losses = [row["loss"] for row in read_metrics(folder) if row["loss"] is not None] or [math.nan]
    return PretrainResult(
        run=str(folder),
        windows=len(training.rows),
        steps=settings.steps,
        seconds=seconds,
        loss_first=float(np.mean(losses[:_LOSS_ROWS])),
        loss_last=float(np.mean(losses[-_LOSS_ROWS:])),
        exported=verdict.exported,
        probe=verdict.probe,
        probe_skipped=verdict.probe_skipped,
        alarms=tuple(training.alarms),
    )


def _finish(training: Training, folder: Path, say: Callable[[str], None]) -> _Verdict:
    """Choose, judge and write the encoder; the model's file comes last, for it marks the run as finished."""
    windows = training.windows
    verdict = _judge(training.objective, windows, say)
    if verdict.probe:
        write_atomically(folder / PROBE_FILE, json.dumps(verdict.probe, indent=2).encode())
    encoder = training.objective.encoders[verdict.exported]
    say("training the decoder for the reconstruction")
    reconstruct(encoder, windows, training.settings.seed).save(folder)
    config = _config(training, verdict)
    write_atomically(
        folder / CARD_FILE, model_card(config, verdict.probe, verdict.probe_skipped, training.alarms).encode()
    )
    save_encoder(folder, encoder, config)
    keep_for_extension(folder)
    (folder / RUN_FILE).unlink()
    return verdict


def _judge(objective: Objective, windows: TactileWindows, say: Callable[[str], None]) -> _Verdict:
    try:
        task = probe_task(windows)
    except SessionError as error:
        _log.warning("no probe: %s", error)
        exported: _Exported = "teacher" if "teacher" in objective.encoders else "student"
        return _Verdict(exported, "custom, as there was nothing to probe with", None, str(error))
    say("choosing between student and teacher")
    chosen, chosen_by = _choose(objective, windows, task)
    say("probing against untrained encoders and raw statistics")
    return _Verdict(chosen, chosen_by, probe(objective.encoders[chosen], windows, task), "")


def _config(training: Training, verdict: _Verdict) -> EncoderConfig:
    settings = training.settings
    return EncoderConfig(
        schema=SCHEMA,
        size=training.recipe.size,
        geometry=settings.geometry,
        layout=training.windows.layout,
        preset=settings.preset,
        exported=verdict.exported,
        chosen_by=verdict.chosen_by,
        steps=settings.steps,
        seed=settings.seed,
        simulated=settings.simulated_sessions == len(settings.data_fingerprints),
        data_fingerprints=settings.data_fingerprints,
        bf16=settings.bf16,
        objective=settings.objective,
        extends=settings.extends,
        steps_before=settings.steps_before,
        core_s=training.core_s,
        augment=settings.augment,
        simulated_sessions=settings.simulated_sessions,
    )


def _choose(objective: Objective, windows: TactileWindows, task: ProbeTask) -> tuple[_Exported, str]:
    """The network that probes better on the validation part, so that the held-out part stays unseen."""
    if objective.teacher is None:
        return "student", "custom, as this objective has no teacher"
    student, teacher = (
        validation_scores(encoder_features(objective.encoders[name], windows, task.rows), task)[MAIN_METRIC]
        for name in ("student", "teacher")
    )
    reason = f"{MAIN_METRIC} on the validation part (student {student:.3f}, teacher {teacher:.3f})"
    return ("student" if student > teacher else "teacher"), reason
