"""`skin-teleop export`: sessions in the formats of others."""

from __future__ import annotations

import argparse
from pathlib import Path

from dataset_tools.exports.lerobot import export_lerobot
from dataset_tools.exports.mcap import export_mcap
from dataset_tools.exports.parquet import export_parquet
from skin_teleop.errors import ConfigError

FRAME_RATES = range(1, 1001)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "form",
        choices=("lerobot", "mcap", "parquet"),
        help="lerobot: LeRobotDataset v3.0, an episode a label; mcap: one file a session, for Foxglove and others; "
        "parquet: one file a stream and session, with a data set card",
    )
    parser.add_argument("sessions", nargs="+", type=Path, metavar="SESSION", help="session folders")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new folder for the export")
    parser.add_argument("--fps", type=int, default=30, help="lerobot: frames a second of the resampled episodes")


def run(options: argparse.Namespace) -> int:
    """Write the export and say where it stands; an existing one is an error and stays as it is."""
    if options.fps not in FRAME_RATES:
        raise ConfigError(f"--fps {options.fps}", allowed="1 to 1000 frames a second")
    if options.form == "lerobot":
        print(export_lerobot(options.sessions, options.to, fps=options.fps))
    elif options.form == "parquet":
        print(export_parquet(options.sessions, options.to))
    else:
        for session in options.sessions:
            print(export_mcap(session, options.to / f"{session.resolve().name}.mcap"))
    return 0
