"""`skin-teleop sessions`: what lies in a folder of sessions, one line each."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataset_tools.reader import open_session
from dataset_tools.session_folder import META_FILE
from dataset_tools.statistics import session_statistics
from skin_teleop.errors import SessionError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("folder", nargs="?", default="sessions", type=Path, help="folder that holds the sessions")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, with figures of every stream")


def run(options: argparse.Namespace) -> int:
    """List the sessions; raises SessionError when the folder is not there."""
    if not options.folder.is_dir():
        raise SessionError(
            f"sessions in {options.folder} were asked for",
            found="no such folder",
            next_step="skin-teleop sessions FOLDER",
        )
    folders = [path.parent for path in sorted(options.folder.glob(f"[!.]*/{META_FILE}"))]
    found = [describe(folder) for folder in folders]
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for session in found:
        print(one_line(session))
    if not found:
        print(f"no sessions in {options.folder}")
    return 0


def describe(path: Path) -> dict[str, Any]:
    """Facts of one session; a session that cannot be opened has a `problem` instead."""
    try:
        session = open_session(path)
        return {
            "path": str(path),
            "status": session.status,
            "duration_s": round(session.duration_s, 3),
            "object": session.meta["object"],
            "operator": session.meta["operator"],
            "realtime_factor": session.realtime_factor,
            "streams": {name: asdict(figures) for name, figures in session_statistics(session).items()},
        }
    except SessionError as error:
        return {"path": str(path), "problem": str(error)}


def one_line(facts: dict[str, Any]) -> str:
    """One session on one line."""
    if "problem" in facts:
        return f"{facts['path']}  {facts['problem']}"
    streams = "  ".join(f"{name} {figures['rows']}" for name, figures in facts["streams"].items())
    dropped = sum(figures["dropped"] for figures in facts["streams"].values())
    losses = f"  {dropped} rows dropped" if dropped else ""
    return (
        f"{facts['path']}  {facts['status']}  {facts['duration_s']:.1f} s  {facts['object'] or '-'}  {streams}{losses}"
    )
