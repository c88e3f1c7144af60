"""`skin-teleop recover`: seal every session that a crash left as a log."""

from __future__ import annotations

import argparse
from pathlib import Path

from dataset_tools.recovery import recover_folder
from skin_teleop.errors import SessionError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("folder", nargs="?", default="sessions", type=Path, help="folder that holds the sessions")
    parser.add_argument("--keep-wal", action="store_true", help="keep the log beside the sealed data")


def run(options: argparse.Namespace) -> int:
    """Seal the leftovers and say what was recovered; 1 when some session could not be.

    Raises SessionError when the folder is not there.
    """
    if not options.folder.is_dir():
        raise SessionError(
            f"sessions in {options.folder} were to be recovered",
            found="no such folder",
            next_step="skin-teleop recover FOLDER",
        )
    recovered = recover_folder(options.folder, keep_wal=options.keep_wal)
    for session in recovered:
        if session.problem:
            print(f"{session.path}: NOT recovered: {session.problem}")
            continue
        print(f"{session.path}: {sum(session.rows.values())} rows, {session.lost_bytes} bytes of the log unusable")
        for stream, rows in sorted(session.rows.items()):
            print(f"  {stream}: {rows} rows")
    if not recovered:
        print(f"nothing to recover in {options.folder}")
    return 1 if any(session.problem for session in recovered) else 0
