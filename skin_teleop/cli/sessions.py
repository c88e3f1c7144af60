"""`skin-teleop sessions`: what lies in a folder of sessions, one line each."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.catalogue import Hours, Wanted, collection_hours, label_times, session_folders
from dataset_tools.checks.finding import counted
from dataset_tools.reader import open_session
from dataset_tools.statistics import session_statistics
from dataset_tools.taxel_statistics import collection_taxels
from skin_teleop.errors import ConfigError, SessionError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("folder", nargs="?", default="sessions", type=Path, help="folder that holds the sessions")
    parser.add_argument("--object", default="", help="only sessions with this object")
    parser.add_argument("--action", default="", help="only sessions with a label of this action")
    parser.add_argument("--operator", default="", help="only sessions of this operator's pseudonym")
    parser.add_argument("--quality", default="", help="only sessions with a label of this quality")
    parser.add_argument("--min-seconds", type=float, default=0.0, help="only sessions that last at least so long, s")
    parser.add_argument("--hours", action="store_true", help="sum up hours by action and object instead of listing")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the collection (a new .png or .svg)")
    parser.add_argument("--taxels", type=Path, metavar="FILE", help="write every taxel's figures (a new .npz)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, with figures of every stream")


def run(options: argparse.Namespace) -> int:
    """List the sessions; raises SessionError when the folder is not there."""
    if not options.folder.is_dir():
        raise SessionError(
            f"sessions in {options.folder} were asked for",
            found="no such folder",
            next_step="skin-teleop sessions FOLDER",
        )
    wanted = Wanted(options.object, options.action, options.operator, options.quality, options.min_seconds)
    folders = [path for path in session_folders(options.folder) if wanted == Wanted() or _fits(path, wanted)]
    if options.picture or options.taxels:
        return _write_figures([path for path in folders if _fits(path, wanted)], options.picture, options.taxels)
    if options.hours:
        return _show_hours(collection_hours(path for path in folders if _fits(path, wanted)), as_json=options.json)
    found = [describe(folder) for folder in folders]
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for session in found:
        print(one_line(session))
    if not found:
        print(f"no sessions in {options.folder}")
    return 0


def _fits(path: Path, wanted: Wanted) -> bool:
    """A session that cannot be opened fits nothing."""
    try:
        session = open_session(path)
        return wanted.fits(session, label_times(session))
    except SessionError:
        return False


def _write_figures(folders: list[Path], picture: Path | None, taxel_file: Path | None) -> int:
    """Write the picture and the taxels' figures of all sessions; raises ConfigError for a file that exists."""
    for file, endings in ((picture, (".png", ".svg")), (taxel_file, (".npz",))):
        if file is not None and (file.exists() or file.suffix not in endings or not file.parent.is_dir()):
            found = "it exists already" if file.exists() else "another ending, or no such folder"
            raise ConfigError(f"{file} was to be written", found=found, allowed=f"a new {' or '.join(endings)} file")
    taxels = collection_taxels(map(open_session, folders))
    if taxel_file is not None:
        np.savez(taxel_file, allow_pickle=False, **taxels.to_arrays(), mean=taxels.mean, m2=taxels.m2)
        print(taxel_file)
    if picture is not None:
        from skin_teleop.cli.report.collection_picture import draw_collection  # matplotlib takes a second to import

        times = [time for path in folders for time in label_times(open_session(path))]
        draw_collection(picture, times, taxels, len(folders), collection_hours(folders).recorded)
        print(picture)
    return 0


def _show_hours(hours: Hours, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(hours.to_json(), indent=2))
        return 0
    print(f"{counted(hours.sessions, 'session')}, {hours.recorded:.3f} h recorded")
    for title, sums in (("action", hours.by_action), ("object", hours.by_object)):
        for word, value in sorted(sums.items(), key=lambda pair: -pair[1]):
            print(f"  {title}  {word or '-'}  {value:.4f} h")
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
            "licence": session.meta["licence"],
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
    licence = "" if facts["licence"] == "unspecified" else f"  {facts['licence']}"
    return (
        f"{facts['path']}  {facts['status']}  {facts['duration_s']:.1f} s  {facts['object'] or '-'}  {streams}"
        f"{losses}{licence}"
    )
