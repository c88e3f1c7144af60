"""`skin-teleop backup`: verified copies of sealed sessions on another disk or in an object store."""

from __future__ import annotations

import argparse
from pathlib import Path

from dataset_tools.backup import backup_session


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("sessions", nargs="+", type=Path, metavar="SESSION", help="sealed session folders")
    parser.add_argument(
        "--to", required=True, metavar="FOLDER", help="where the copies go: a folder or s3://bucket/prefix"
    )


def run(options: argparse.Namespace) -> int:
    """Copy every session, or finish an earlier copy."""
    for session in options.sessions:
        done = backup_session(session, options.to)
        print(f"{done.target}: {done.copied} files copied, {done.kept} were there and whole", flush=True)
    return 0
