"""`skin-teleop demo`: the whole chain on the simulated rig, from a moving hand to a pretrained encoder."""

from __future__ import annotations

import argparse
from pathlib import Path

from skin_teleop.cli.demo_run import DemoRun

DEFAULT_PRETRAIN_S = 60.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where numbered demo folders are made")
    parser.add_argument("--pretrain-seconds", type=float, default=DEFAULT_PRETRAIN_S, help="time for pretraining, s")


def run(options: argparse.Namespace) -> int:
    """Run every stage; a failed one ends the demo with a sentence and exit code 1."""
    return DemoRun(options.folder, options.pretrain_seconds).run()
