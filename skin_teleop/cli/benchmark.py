"""Verb `benchmark`: what frozen encoders bring with few labels, beside plain features, on recordings left out."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from encoder.training_extra import require_training_extra
from skin_teleop.cli.probe import add_leave_out, leave_out_of, load_recordings, plain_numbers
from skin_teleop.errors import ConfigError

if TYPE_CHECKING:
    from encoder.benchmark.rows import Material, Row
    from encoder.benchmark.study import Cell
    from encoder.checkpoint import EncoderConfig
    from encoder.model import SparshSkinEncoder
    from encoder.session_data import TactileRecording

    Members = list[tuple[Path, EncoderConfig, SparshSkinEncoder]]
    """Runs of one kind: folder, description, network."""

SEEN_SESSIONS_SHARE = 0.15
SAME_STEPS = 1.5
"""By how much the steps of seeds may differ: `pretrain --max-time` times a few to find their number."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="sessions or packs of simulated rigs")
    parser.add_argument("--runs", nargs="+", type=Path, required=True, metavar="RUN", help="finished pretraining runs")
    add_leave_out(parser)
    parser.add_argument("--budgets", default="0.01,0.033,0.1,0.33,1", help="shares of the labelled sessions")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the labelled sessions")
    parser.add_argument("--windows", type=int, default=16, metavar="N", help="windows of each session")
    parser.add_argument("--allow-seen", action="store_true", help="judge also on sessions that a run has learnt from")
    parser.add_argument("--attentive", type=int, default=0, metavar="STEPS", help="also train heads and encoders")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every score, interval and difference")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw scores over budgets")


def run(options: argparse.Namespace) -> int:
    """Judge every row, print the scores, write table and picture."""
    require_training_extra("a benchmark")
    from encoder.benchmark.study import PROTOCOL, StudyPlan, material_of, run_study
    from encoder.splits import with_some_sessions

    plan = StudyPlan(_budgets(options.budgets), options.seeds, options.windows)
    runs = _by_kind(options.runs)
    recordings = load_recordings(options.sessions, options.cache)
    asked = leave_out_of(options)
    leave_out = with_some_sessions(recordings, asked, SEEN_SESSIONS_SHARE, seed=0)
    geometry = _one_reading(runs, {recording.body.layout for recording in recordings})
    material = material_of(recordings, leave_out, geometry, plan.windows_per_session)
    left_out = [recording for recording in recordings if asked.holds(recording)]
    seen = _seen(runs, left_out or [recording for recording in recordings if leave_out.holds(recording)])
    if seen and not options.allow_seen:
        raise ConfigError(
            "a benchmark on recordings left out was asked for",
            found="; ".join(f"{run} has learnt from {count} of them" for run, count in seen.items()),
            allowed="runs that were pretrained with the same --leave-objects and --leave-sessions",
            next_step="pretrain again with them, or add --allow-seen, which is written into the result",
        )
    console = Console()
    rows = _rows(runs, material, options.attentive)
    judged = [name for row in rows if (name := row.name).split(",")[0] in runs]
    cells = run_study(rows, judged, material, leave_out, plan, console.print)
    for task in dict.fromkeys(cell.task for cell in cells):
        console.print(_table(task, [cell for cell in cells if cell.task == task and not cell.minus]))
    print(PROTOCOL)
    answer = {
        "protocol": PROTOCOL,
        "simulated": True,
        "runs": [str(run) for run in options.runs],
        "sessions": len(recordings),
        "left_out": dataclasses.asdict(leave_out),
        "learnt_from_left_out": seen,
        "plan": dataclasses.asdict(plan),
        "scores": [dataclasses.asdict(cell) for cell in cells],
    }
    if options.json:
        options.json.write_text(json.dumps(plain_numbers(answer), indent=1) + "\n")
    if options.picture:
        from skin_teleop.cli.report.benchmark_picture import benchmark_picture
        from skin_teleop.cli.report.style import PICTURE_DPI

        benchmark_picture(cells).savefig(options.picture, dpi=PICTURE_DPI)
    return 0


def _budgets(text: str) -> tuple[float, ...]:
    try:
        budgets = tuple(sorted(float(word) for word in text.split(",")))
    except ValueError:
        budgets = (0.0,)
    if not all(0 < budget <= 1 for budget in budgets):
        raise ConfigError("--budgets", found=text, allowed="shares above 0, at most 1, parted by commas")
    return budgets


def _by_kind(folders: list[Path]) -> dict[str, Members]:
    """Runs that differ by their seed only are members of one row; of its first folder the name says what it must."""
    from encoder.checkpoint import load_config, load_encoder

    kinds: list[Members] = []
    for folder in folders:
        config = load_config(folder)
        same = next((members for members in kinds if _is_same_recipe(members[0][1], config)), None)
        if same is None:
            kinds.append(same := [])
        same.append((folder, config, load_encoder(folder)))
    names = []
    for folder, config, _ in (members[0] for members in kinds):
        kind = f"{config.objective} {config.preset}"
        names.append((kind, f"{kind} ({folder.name})", f"{kind} ({folder})"))
    columns = list(zip(*names, strict=True))  # what all are called, from short to long
    shortest = [
        next(name for name, column in zip(mine, columns, strict=True) if column.count(name) == 1) for mine in names
    ]
    return dict(zip(shortest, kinds, strict=True))


def _is_same_recipe(one: EncoderConfig, other: EncoderConfig) -> bool:
    fewer, more = sorted(config.steps_before + config.steps for config in (one, other))
    return _what_matters(one) == _what_matters(other) and more <= SAME_STEPS * fewer


def _what_matters(config: EncoderConfig) -> tuple[object, ...]:
    data = tuple(sorted(config.data_fingerprints.values()))
    return (
        config.objective, config.preset, config.size, config.geometry, config.layout, bool(config.extends),
        config.augment, data,
    )  # fmt: skip


def _one_reading(runs: dict[str, Members], layouts: set[str]) -> str:
    """The geometry that all runs share; raises ConfigError where runs or recordings are of several kinds."""
    configs = [config for members in runs.values() for _, config, _ in members]
    geometries, skins = {config.geometry for config in configs}, {config.layout for config in configs}
    if len(geometries) > 1 or skins | layouts != skins & layouts:
        raise ConfigError(
            "a benchmark of several runs",
            found=f"geometry {', '.join(sorted(geometries))}; layouts {', '.join(sorted(skins | layouts))}",
            allowed="runs of one geometry, and recordings of the layout that they were trained on",
        )
    return geometries.pop()


def _seen(runs: dict[str, Members], left_out: list[TactileRecording]) -> dict[str, int]:
    """How many of the left-out recordings each run has learnt from, where there are any."""
    prints = {recording.fingerprint() for recording in left_out}
    counts = {
        str(folder): len(prints & set(config.data_fingerprints.values()))
        for members in runs.values()
        for folder, config, _ in members
    }
    return {run: count for run, count in counts.items() if count}


def _rows(runs: dict[str, Members], material: Material, steps: int) -> list[Row]:
    from encoder.benchmark.rows import end_to_end_rows, frozen_row, plain_rows, random_encoders, trained_rows

    rows = plain_rows(material)
    one_of_size = {config.size: (config, encoder) for members in runs.values() for _, config, encoder in members}
    for config, encoder in one_of_size.values():
        rows.append(frozen_row(f"random {config.preset}", random_encoders(encoder), 0.0, material))
        if steps:
            rows += end_to_end_rows(config.preset, encoder, material, steps)
    for kind, members in runs.items():
        encoders = [encoder for _, _, encoder in members]
        core_s = sum(config.core_s for _, config, _ in members) / len(members)
        rows.append(frozen_row(kind, encoders, core_s, material))
        if steps:
            rows += trained_rows(kind, encoders, core_s, material, steps)
    return rows


def _table(task: str, cells: list[Cell]) -> Table:
    budgets = sorted({cell.budget for cell in cells})
    table = Table("row", *[f"{budget:.1%} labels" for budget in budgets], "core s", title=f"{task} ({cells[0].metric})")
    for name in dict.fromkeys(cell.row for cell in cells):
        mine = sorted((cell for cell in cells if cell.row == name), key=lambda cell: cell.budget)
        scores = [f"{c.score.value:.2f} [{c.score.low:.2f}, {c.score.high:.2f}]" for c in mine]
        table.add_row(name, *scores, f"{mine[-1].core_s:.0f}")
    return table
