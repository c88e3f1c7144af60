"""How much work a pretraining run would be: windows, tokens, operations, memory and time, from a few real steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from torch.utils.flop_counter import FlopCounterMode

from encoder.device import device_has_bf16
from encoder.presets import preset
from encoder.run_folder import RunSettings
from encoder.session_data import TactileRecording
from encoder.train import Training
from encoder.windows import TactileWindows

_BYTES = 4
_ADAM_COPIES = 3
"""Gradient and two moments beside every trained weight."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take."""

    windows: int
    tokens_per_window: int
    batch: int
    trained_parameters: int
    exported_parameters: int
    gflop_per_window: float
    """Forward and backward of one window as counted by torch, 1e9 operations."""
    weights_mib: float
    """Weights of student and teacher, gradients and the optimiser's moments; activations come on top."""
    data_mib: float
    """Recordings held in memory."""
    seconds_per_step: float
    steps: int
    seconds: float

    def text(self) -> str:
        """For a terminal."""
        return (
            f"{self.windows} windows of {self.tokens_per_window} tokens, batches of {self.batch}\n"
            f"{self.exported_parameters:,} parameters in the encoder, {self.trained_parameters:,} are trained\n"
            f"{self.gflop_per_window:.2f} GFLOP a window and step; {self.weights_mib:.0f} MiB for weights and "
            f"optimiser, {self.data_mib:.0f} MiB for recordings, activations on top\n"
            f"{self.seconds_per_step:.2f} s a step here and now: {self.steps} steps in about {self.seconds:.0f} s"
        )


def estimate(
    recordings: Sequence[TactileRecording],
    *,
    preset_name: str,
    objective: str,
    steps: int | None,
    max_time_s: float,
    geometry: str = "vendor",
) -> Estimate:
    """Time and count two steps on a copy that is thrown away; writes nothing."""
    recipe = preset(preset_name)
    windows = TactileWindows(recordings, stride=recipe.stride, geometry=geometry)
    settings = RunSettings(preset_name, steps or 100, 0, geometry, device_has_bf16(), {}, objective)
    training = Training(windows, settings)
    with FlopCounterMode(display=False) as counter:
        training.step(0)
    began = time.monotonic()
    training.step(1)
    each_s = time.monotonic() - began
    wanted = steps or max(1, int(max_time_s / each_s))
    encoder = training.objective.student.encoder
    trained = sum(p.numel() for p in training.objective.student.parameters())
    stored = sum(p.numel() for p in training.objective.parameters()) + _ADAM_COPIES * trained
    data = sum(r.delta.nbytes + r.valid.nbytes + r.joint_rad.nbytes for r in recordings)
    return Estimate(
        windows=len(training.rows),
        tokens_per_window=len(encoder.tokens),
        batch=recipe.batch,
        trained_parameters=trained,
        exported_parameters=sum(p.numel() for p in encoder.parameters()),
        gflop_per_window=counter.get_total_flops() / recipe.batch / 1e9,
        weights_mib=stored * _BYTES / 2**20,
        data_mib=data / 2**20,
        seconds_per_step=each_s,
        steps=wanted,
        seconds=wanted * each_s,
    )
