"""`skin-teleop pack`: write the memory-mappable training form of sessions."""

from __future__ import annotations

import argparse
from pathlib import Path

from dataset_tools.pack import pack_session


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("sessions", nargs="+", type=Path, metavar="SESSION", help="session folders")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="folder for the packs, one a session")


def run(options: argparse.Namespace) -> int:
    """Pack every session under its own name; an existing pack is an error and stays as it is."""
    for session in options.sessions:
        packed = pack_session(session, options.to / session.resolve().name)
        size_mb = sum(file.stat().st_size for file in packed.rglob("*") if file.is_file()) / 1e6
        print(f"{packed}: {size_mb:.1f} MB")
    return 0
