"""`skin-teleop seal`: turn a finished log into a sealed session."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("session", type=Path, metavar="SESSION.rec", help="folder of a stopped or interrupted session")
    parser.add_argument("--keep-wal", action="store_true", help="keep the log beside the sealed data")


def run(options: argparse.Namespace) -> int:
    """Seal one session and print where it stands."""
    begun_s = time.monotonic()
    session = open_session(seal_session(options.session, keep_wal=options.keep_wal))
    rows = sum(stream.rows for stream in session.streams.values())
    taken_s = time.monotonic() - begun_s
    print(
        f"{session.path}: {rows} rows in {len(session.streams)} streams, {session.duration_s:.1f} s ({taken_s:.1f} s)"
    )
    return 0
