"""`skin-teleop bench`: performance, always beside a yardstick that runs in the same minute on the same machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from skin_teleop.cli import bench_infer, bench_train
from skin_teleop.cli.bench_hand import bench_hand
from skin_teleop.cli.bench_proposals import bench_proposals, show_proposals
from skin_teleop.cli.bench_retarget import bench_retarget
from skin_teleop.cli.bench_skin import bench_skin
from skin_teleop.cli.bench_storage import STORAGE
from skin_teleop.cli.bench_teleop import bench_teleop
from skin_teleop.errors import ConfigError

MIN_SECONDS = 2.0
ENCODER = {"train": bench_train.run_bench, "infer": bench_infer.run_bench}
DRIVERS = {"hand": (bench_hand, "hands"), "skin": (bench_skin, "sources")}
"""Function and the member of its figures that has one row for each device."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `bench`."""
    parser.add_argument(
        "what",
        choices=("teleop", "retarget", "simulate", "proposals", *ENCODER, *DRIVERS, *STORAGE),
        help="teleop: hand pose to CAN frame, beside a bare WebSocket echo; hand: the hand node's loop and codec; "
        "skin: the skin node from both sources; record: our log beside h5py, MCAP and Zarr append; windows: random "
        "windows of a pack beside a numpy memmap; simulate: the world with its skin beside its physics alone; "
        "retarget: hand traces to joints, beside dex-retargeting; proposals: contact proposals beside scripts' labels; "
        "train: windows a second of each objective beside the release's recipe; infer: from a frame to its embedding",
    )
    parser.add_argument(
        "data",
        nargs="*",
        type=Path,
        metavar="DATA",
        help="hand traces (.npz) for retarget, folders for proposals, presets for train, sizes for infer",
    )
    parser.add_argument("--frames", type=int, default=300, help="most frames of each trace that retarget judges")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure, s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure and print; every figure is from this run."""
    if options.seconds < MIN_SECONDS:
        raise ConfigError("--seconds", found=f"{options.seconds} s", allowed=f"at least {MIN_SECONDS} s")
    if options.what in ENCODER:
        return ENCODER[options.what](options)
    if options.what == "simulate":
        return _simulate(options)
    if options.what == "proposals":
        return _proposals(options)
    if options.what == "retarget":
        return bench_retarget(options.data, options.frames, options.json)
    if options.what in DRIVERS:
        return _drivers(options)
    if options.what in STORAGE:
        return _storage(options)
    return _teleop(options)


def _teleop(options: argparse.Namespace) -> int:
    figures = bench_teleop(options.seconds)
    table = Table("ms", "p50", "p99", "p50 to echo", "p99 to echo", box=None, header_style="dim")
    echo = figures["echo_ms"]
    for name in ("echo_ms", "pose_to_target_ms", "pose_to_can_ms", "page_to_can_ms"):
        row = figures[name]
        if row is None:
            continue
        cells = [f"{row[key]:.2f}" for key in ("p50", "p99")] + [f"{row[key] / echo[key]:.2f}" for key in row]
        table.add_row(name.removesuffix("_ms").replace("_", " "), *cells)
    Console().print(table)
    Console().print(
        f"{figures['poses']} poses at {figures['rate_hz']:.0f} Hz with recording on, "
        f"realtime factor {figures['realtime_factor']:.2f}, load average {figures['load_average']:.1f}, "
        f"target p99 exceeds the echo's p99 by {figures['target_added_p99_to_echo_p50']:.1f} echo medians",
        highlight=False,
    )
    Console().print(_page_line(figures), highlight=False)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _page_line(figures: dict[str, Any]) -> str:
    if figures["page_to_can_ms"] is None:
        return f"page not measured: {figures['page_absent_because']}"
    return (
        f"page: {figures['page_poses_per_s']:.0f} poses a second, encoding p99 {figures['page_encode_ms_p99']:.2f} ms, "
        "growth in kB a minute over all readings and over the later half: "
        f"page {_growth(figures, 'page_heap')} of objects, {_growth(figures, 'page_process')} resident, "
        f"server {_growth(figures, 'server')}"
    )


def _growth(figures: dict[str, Any], of: str) -> str:
    return f"{figures[f'{of}_growth_kb_per_min']:.0f} and {figures[f'{of}_later_growth_kb_per_min']:.0f}"


def _simulate(options: argparse.Namespace) -> int:
    from skin_teleop.cli.bench_simulate import bench_simulate  # needs the extra [sim]

    figures = bench_simulate(options.seconds)
    Console().print(
        f"physics {figures['physics_x_realtime']:.1f} x real time per core, with the skin "
        f"{figures['full_x_realtime']:.1f} x ({figures['full_to_physics_time']:.2f} times the time), "
        f"{figures['workers']} workers together {figures['all_cores_x_realtime']:.1f} x; "
        f"load average {figures['load_average']:.1f}",
        highlight=False,
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _storage(options: argparse.Namespace) -> int:
    measure, show = STORAGE[options.what]
    figures = measure(options.seconds)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _proposals(options: argparse.Namespace) -> int:
    figures = bench_proposals(options.data)
    show_proposals(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _drivers(options: argparse.Namespace) -> int:
    """One row for each device of the `hand` or `skin` bench."""
    measure, member = DRIVERS[options.what]
    figures = measure(options.seconds)
    rows: dict[str, dict[str, float]] = figures[member]
    columns = list(next(iter(rows.values())))
    table = Table("", *columns, box=None, header_style="dim")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:.3g}" for column in columns))
    Console().print(table)
    Console().print(f"{options.seconds:.0f} s each, load average {figures['load_average']:.1f}", highlight=False)
    for interface, told in figures.get("kill_to_off_ms", {}).items():
        text = told if isinstance(told, str) else f"{told:.0f} ms from SIGKILL of the node to servo off"
        Console().print(f"{interface}: {text}", highlight=False)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0
