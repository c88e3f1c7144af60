"""Windows per second of every objective beside the release's recipe on the same machine, in one run.

Each configuration is measured in a process of its own, one after another, so that its peak memory is its own. The
data is made up (noise on one minute of skin): speed does not depend on what was felt.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from encoder.presets import OBJECTIVES, PRESETS
from encoder.training_extra import require_training_extra
from skin_teleop.errors import ConfigError, TrainingError

DEFAULT_PRESETS = ("demo", "laptop")
YARDSTICK = "release"
WARM_STEPS, MIN_STEPS, MAX_STEPS = 1, 2, 200
BATCH = 8
"""Windows a step for every row, or memory and speed could not be compared; on a CPU, more brings nothing."""
DATA_S = 60
MIB = 2**20


def bench_train(seconds: float, presets: tuple[str, ...] = DEFAULT_PRESETS) -> dict[str, Any]:
    """One row for each preset's size and objective; about `seconds` of measuring, and some for starting processes."""
    require_training_extra("bench train")
    names = (YARDSTICK, *OBJECTIVES)
    each_s = seconds / (len(names) * len(presets))
    rows = [_measured(preset, name, each_s) for preset in presets for name in names]
    for row in rows:
        (yardstick,) = (r for r in rows if r["preset"] == row["preset"] and r["objective"] == YARDSTICK)
        row["speedup_vs_release"] = row["windows_per_s"] / yardstick["windows_per_s"]
    return {"rows": rows, "batch": BATCH, "load_average": os.getloadavg()[0], "data": "made up"}


def show_train(figures: dict[str, Any]) -> None:
    """The rows as a table."""
    columns = ("preset", "objective", "windows/s", "x release", "loader share", "peak MiB", "steps")
    table = Table(*columns, box=None, header_style="dim")
    for row in figures["rows"]:
        numbers = (row["windows_per_s"], row["speedup_vs_release"], row["loader_share"], row["peak_mib"], row["steps"])
        table.add_row(row["preset"], row["objective"], *(f"{number:.3g}" for number in numbers))
    device, precision = figures["rows"][-1]["device"], figures["rows"][-1]["precision"]
    Console().print(table)
    Console().print(
        f"batches of {figures['batch']} on {device} in {precision}, the release in float32; "
        f"load average {figures['load_average']:.1f}",
        highlight=False,
    )


def _measured(preset: str, objective: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "skin_teleop.cli.bench_train", preset, objective, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise TrainingError(f"{objective} on {preset} was to be measured", found=done.stderr.strip()[-500:])
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(preset_name: str, objective: str, seconds: float) -> dict[str, Any]:
    """Train for some seconds in this process and say how fast, and with how much memory beyond the data's."""
    import dataclasses

    from encoder.device import device_has_bf16, training_device
    from encoder.objectives.release import release_recipe
    from encoder.run_folder import RunSettings
    from encoder.train import Training
    from encoder.windows import TactileWindows

    windows = TactileWindows([made_up_recording()])
    bf16 = objective != YARDSTICK and device_has_bf16()
    recipe = dataclasses.replace(PRESETS[preset_name], batch=BATCH)
    recipe = release_recipe(recipe) if objective == YARDSTICK else recipe
    settings = RunSettings(preset_name, MAX_STEPS, 0, "vendor", bf16, {}, objective)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    training, loading = Training(windows, settings, recipe), _Watch(windows)
    step_s, core_s = _steps(training, loading, seconds)
    return {
        "preset": preset_name,
        "objective": objective,
        "windows_per_s": BATCH / float(np.median(step_s)),
        "loader_share": loading.core_s / core_s,
        "peak_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) * 1024 / MIB,
        "steps": len(step_s),
        "prototypes": recipe.prototypes,
        "local_crops": recipe.local_crops,
        "device": str(training_device()),
        "precision": "bfloat16" if bf16 else "float32",
    }


def made_up_recording() -> Any:
    """One minute of noise on the skin of the simulated rig, hands still."""
    from encoder.body import body_of
    from encoder.session_data import TactileRecording

    frames, rng = 100 * DATA_S, np.random.default_rng(5)
    hand = {"name": "allegro", "model": "allegro_v4_right", "finger_joint1_z_m": 0.0204}
    return TactileRecording(
        name="made_up",
        body=body_of({"rig": {"hand": hand, "skin": {"name": "uskin", "layout": "xela_ah_right"}}}),
        t_mono_ns=np.arange(frames) * 10_000_000,
        fresh=np.ones(frames, bool),
        delta=rng.integers(-50, 50, (frames, 368, 3)).astype(np.int16),
        valid=np.ones((frames, 368), bool),
        joint_rad=np.full((frames, 16), 0.3, np.float32),
        pad_force_xyz_n=None,
        baseline_from="nothing",
    )


class _Watch:
    """Adds up the processor time that gathering windows takes."""

    def __init__(self, windows: Any) -> None:
        self.core_s, gather = 0.0, windows.gather

        def timed(*arguments: Any) -> Any:
            began = time.process_time()
            batch = gather(*arguments)
            self.core_s += time.process_time() - began
            return batch

        windows.gather = timed


def _steps(training: Any, loading: _Watch, seconds: float) -> tuple[list[float], float]:
    """Wall time of each step and processor time of all; the first step pays for allocations and is left out."""
    for step in range(WARM_STEPS):
        training.step(step)
    loading.core_s, began_core_s, began = 0.0, time.process_time(), time.monotonic()
    step_s: list[float] = []
    while len(step_s) < MIN_STEPS or (time.monotonic() - began < seconds and len(step_s) < MAX_STEPS - WARM_STEPS):
        stamp = time.monotonic()
        training.step(WARM_STEPS + len(step_s))
        step_s.append(time.monotonic() - stamp)
    return step_s, time.process_time() - began_core_s


def run_bench(options: argparse.Namespace) -> int:
    """The verb's part of `bench train`."""
    presets = tuple(map(str, options.data)) or DEFAULT_PRESETS
    unknown = [name for name in presets if name not in PRESETS]
    if unknown:
        raise ConfigError("presets were to be measured", found=", ".join(unknown), allowed=", ".join(PRESETS))
    figures = bench_train(options.seconds, presets)
    show_train(figures)
    _write(options.json, figures)
    return 0


def _write(path: Path | None, figures: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
