"""Verb `pretrain`: sessions in, a frozen encoder with its probe table out."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from encoder.presets import OBJECTIVES, PRESETS
from encoder.run_folder import new_folder, newest_unfinished
from encoder.training_extra import require_training_extra
from skin_teleop.cli.duration import duration_s
from skin_teleop.cli.probe import add_leave_out, leave_out_of, load_recordings, plain_numbers, probe_table
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import GEOMETRIES

if TYPE_CHECKING:
    from encoder.pretrain import PretrainResult
    from encoder.session_data import TactileRecording

RUNS = Path("runs")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="session folders")
    parser.add_argument("--preset", choices=PRESETS, help="size and recipe (default: demo)")
    parser.add_argument("--objective", choices=OBJECTIVES, help="what is learnt (default: sparsh)")
    parser.add_argument("--dry-run", action="store_true", help="say how much work it is, train nothing, write nothing")
    parser.add_argument(
        "--max-time",
        type=duration_s,
        default=60.0,
        metavar="TIME",
        help="length of training, about: 90 or 90s, 10m, 2h (default: 60s)",
    )
    parser.add_argument("--steps", type=int, help="exact number of steps; repeats a run exactly")
    parser.add_argument(
        "--out", type=Path, help="run folder; an unfinished run in it goes on (default: runs/<utc>_...)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random")
    parser.add_argument("--geometry", choices=GEOMETRIES, help="table of taxel positions (default: vendor)")
    parser.add_argument(
        "--extend",
        type=Path,
        metavar="RUN",
        help="go on from a finished run, in a new folder, for --max-time or --steps more",
    )
    parser.add_argument("--augment", action="store_true", help="show windows as other skins would have felt them")
    add_leave_out(parser)
    parser.add_argument("--resume", action="store_true", help="go on with the newest unfinished run in runs/")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Pretrain and print the probe table."""
    _check(options)
    require_training_extra("pretraining")
    from encoder.ranks import ranks_of_torchrun

    _settle(options)
    with ranks_of_torchrun():
        return _pretrain(options)


def _pretrain(options: argparse.Namespace) -> int:
    from encoder.interrupt import stop_on_interrupt
    from encoder.pretrain import pretrain
    from encoder.ranks import leads

    console = Console(quiet=not leads())
    folder = options.out or (newest_unfinished(RUNS) if options.resume else new_folder(RUNS, options.preset))
    recordings = leave_out_of(options).kept(load_recordings(options.sessions, options.cache))
    if options.dry_run:
        return _dry_run(console, options, recordings)
    with stop_on_interrupt() as stop, _progress(console) as progress:
        task = progress.add_task("pretraining", total=None, loss=math.nan)
        try:
            result = pretrain(
                recordings,
                folder,
                preset_name=options.preset,
                objective=options.objective,
                steps=options.steps,
                max_time_s=options.max_time,
                seed=options.seed,
                geometry=options.geometry,
                augment=options.augment,
                extends=options.extend,
                on_step=lambda done, steps, loss: progress.update(task, completed=done, total=steps, loss=loss),
                on_stage=progress.console.print,
                stop=stop,
            )
        except KeyboardInterrupt:
            progress.console.print(f"saved; go on with the same command and --out {folder}")
            raise
    _report(console, result)
    if options.json and leads():
        options.json.write_text(json.dumps(plain_numbers(dataclasses.asdict(result)), indent=2) + "\n")
    return 0


def _dry_run(console: Console, options: argparse.Namespace, recordings: list[TactileRecording]) -> int:
    from encoder.dry_run import estimate

    work = estimate(
        recordings,
        preset_name=options.preset,
        objective=options.objective,
        steps=options.steps,
        max_time_s=options.max_time,
        geometry=options.geometry,
    )
    console.print(work.text())
    if options.json:
        options.json.write_text(json.dumps(dataclasses.asdict(work), indent=2) + "\n")
    return 0


def _settle(options: argparse.Namespace) -> None:
    """What was not asked for is as in the run that is extended, else the default."""
    usual = {"preset": "demo", "objective": "sparsh", "geometry": "vendor"}
    if options.extend is not None:
        from encoder.checkpoint import load_config

        config = load_config(options.extend)
        usual = {name: getattr(config, name) for name in usual}
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _check(options: argparse.Namespace) -> None:
    if options.max_time <= 0 or (options.steps is not None and options.steps < 1):
        raise ConfigError(
            "a length of training was asked for",
            found=f"--max-time {options.max_time:g}s --steps {options.steps}",
            allowed="--max-time above 0 s, --steps of at least 1",
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and options.out is None:
        raise ConfigError(
            "one run of several processes was asked for", found="no --out", next_step="name a folder that all see"
        )


def _progress(console: Console) -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.3f}"), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=console)


def _report(console: Console, result: PretrainResult) -> None:
    if result.probe:
        console.print(probe_table(result.probe))
    else:
        console.print(f"no probe: {result.probe_skipped}")
    for alarm in result.alarms:
        console.print(f"alarm while training: {alarm}")
    console.print(
        f"{result.steps} steps in {result.seconds:.0f} s, loss {result.loss_first:.3f} -> {result.loss_last:.3f}; "
        f"the {result.exported} is in {result.run}"
    )
