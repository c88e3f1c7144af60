"""`skin-teleop bench`: performance, always beside a yardstick that runs in the same minute on the same machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from skin_teleop.cli.bench_teleop import bench_teleop
from skin_teleop.errors import ConfigError

MIN_SECONDS = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `bench`."""
    parser.add_argument(
        "what", choices=("teleop",), help="teleop: hand pose to CAN frame, beside a bare WebSocket echo"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the operator plays, s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure and print; every figure is from this run."""
    if options.seconds < MIN_SECONDS:
        raise ConfigError("--seconds", found=f"{options.seconds} s", allowed=f"at least {MIN_SECONDS} s")
    figures = bench_teleop(options.seconds)
    table = Table("ms", "p50", "p99", "p50 to echo", "p99 to echo", box=None, header_style="dim")
    for name in ("echo_ms", "pose_to_target_ms", "pose_to_can_ms"):
        row, ratio = figures[name], figures["ratio_to_echo"].get(name, {"p50": 1.0, "p99": 1.0})
        cells = (f"{row['p50']:.2f}", f"{row['p99']:.2f}", f"{ratio['p50']:.2f}", f"{ratio['p99']:.2f}")
        table.add_row(name.removesuffix("_ms").replace("_", " "), *cells)
    Console().print(table)
    Console().print(
        f"{figures['poses']} poses at 72 Hz with recording on, realtime factor {figures['realtime_factor']:.2f}, "
        f"target p99 exceeds the echo's p99 by {figures['target_added_p99_to_echo_p50']:.1f} echo medians",
        highlight=False,
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0
