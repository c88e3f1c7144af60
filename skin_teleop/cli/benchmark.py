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

SEEN_SESSIONS_SHARE = 0.15


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="sessions or packs of simulated rigs")
    parser.add_argument("--runs", nargs="+", type=Path, required=True, metavar="RUN", help="finished pretraining runs")
    add_leave_out(parser)
    parser.add_argument("--budgets", default="0.01,0.033,0.1,0.33,1", help="shares of the labelled sessions")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the labelled sessions")
    parser.add_argument("--windows", type=int, default=24, metavar="N", help="windows of each session")
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
    leave_out = with_some_sessions(recordings, leave_out_of(options), SEEN_SESSIONS_SHARE, seed=0)
    (geometry,) = {config.geometry for members in runs.values() for config, _ in members}
    material = material_of(recordings, leave_out, geometry, plan.windows_per_session)
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


def _by_kind(folders: list[Path]) -> dict[str, list[tuple[EncoderConfig, SparshSkinEncoder]]]:
    """Runs that differ by their seed only are members of one row."""
    from encoder.checkpoint import load_config, load_encoder

    kinds: dict[str, list[tuple[EncoderConfig, SparshSkinEncoder]]] = {}
    for folder in folders:
        config = load_config(folder)
        kinds.setdefault(f"{config.objective} {config.preset}", []).append((config, load_encoder(folder)))
    geometries = {config.geometry for members in kinds.values() for config, _ in members}
    if len(geometries) > 1:
        raise ConfigError("a benchmark of several runs", found=", ".join(geometries), allowed="runs of one geometry")
    return kinds


def _rows(runs: dict[str, list[tuple[EncoderConfig, SparshSkinEncoder]]], material: Material, steps: int) -> list[Row]:
    from encoder.benchmark.rows import frozen_row, plain_rows, random_encoders, trained_rows

    rows = plain_rows(material)
    sizes = {config.preset: encoder for members in runs.values() for config, encoder in members[:1]}
    for preset, encoder in sizes.items():
        rows.append(frozen_row(f"random {preset}", random_encoders(encoder), 0.0, material))
    for kind, members in runs.items():
        encoders = [encoder for _, encoder in members]
        core_s = sum(config.core_s for config, _ in members) / len(members)
        rows.append(frozen_row(kind, encoders, core_s, material))
        if steps:
            known = {row.name for row in rows}
            rows += [row for row in trained_rows(kind, encoders, core_s, material, steps) if row.name not in known]
    return rows


def _table(task: str, cells: list[Cell]) -> Table:
    budgets = sorted({cell.budget for cell in cells})
    table = Table("row", *[f"{budget:.1%} labels" for budget in budgets], "core s", title=f"{task} ({cells[0].metric})")
    for name in dict.fromkeys(cell.row for cell in cells):
        mine = sorted((cell for cell in cells if cell.row == name), key=lambda cell: cell.budget)
        scores = [f"{c.score.value:.2f} [{c.score.low:.2f}, {c.score.high:.2f}]" for c in mine]
        table.add_row(name, *scores, f"{mine[-1].core_s:.0f}")
    return table
