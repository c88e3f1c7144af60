"""`skin-teleop simulate`: scripted atomic actions into ordinary labelled sessions, faster than real time."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dataset_tools.session_folder import LIVE_SUFFIX, is_live, load_meta
from skin_teleop.cli.own_workers import own_workers
from skin_teleop.errors import ConfigError, MissingPartError, SessionError
from skin_teleop.rig import Rig, load_rig

if TYPE_CHECKING:
    from skin_teleop.cli.simulate_plan import Plan

SHORTEST_S, LONGEST_S = 5.0, 600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--hours", type=float, default=0.1, help="simulated time in total, h")
    parser.add_argument("--objects", default="all", metavar="A,B", help="objects, or all")
    parser.add_argument("--actions", default="all", metavar="A,B", help="atomic actions, or all")
    parser.add_argument("--session-seconds", type=float, default=30.0, metavar="S", help="length of a session, s")
    parser.add_argument("--seed", type=int, default=0, help="seed of objects, motions and noise")
    parser.add_argument("--skin-seed", type=int, default=7, help="which instance of the skin")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--out", type=Path, default=Path("simulated"), help="folder of the sessions; goes on in it")
    parser.add_argument("--rig", default="simulated", help="whose hand: a built-in simulated rig or a TOML file")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write a picture of every action, no sessions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Simulate what is missing in the folder, then show what was kept and why the rest was not."""
    _require_simulator()
    from skin_teleop.cli.simulate_plan import Ledger

    plan = _plan(options)
    if options.json and not options.json.resolve().parent.is_dir():
        raise ConfigError(f"--json {options.json}", found="no such folder", allowed="a file in a folder that exists")
    if options.pictures:
        return _draw(options, plan)
    episodes = list(plan.episodes())
    ledger = Ledger(options.out, plan)
    missing = [episode for episode in episodes if episode[0] not in ledger.finished]
    _clear_interrupted(options.out)
    console = Console()
    with _progress(console) as progress:
        done = len(episodes) - len(missing)
        task = progress.add_task("sessions", total=len(episodes), completed=done)
        for row in simulate_all(plan, missing, options.out, options.workers):
            ledger.note(row)
            progress.advance(task)
    rows = [ledger.finished[number] for number, _, _ in episodes]
    figures: dict[str, Any] = {
        "by_action": summary(rows, "action"),
        "by_object": summary(rows, "object"),
        "sessions": len(rows),
    }
    for key in ("action", "object"):
        console.print(_table(key, figures[f"by_{key}"]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _draw(options: argparse.Namespace, plan: Plan) -> int:
    from skin_teleop.cli.simulate_pictures import draw_actions

    for path in draw_actions(_rig(plan.rig), plan.actions, plan.objects, plan.seed, options.pictures):
        print(path)
    return 0


def _rig(name: str) -> Rig:
    """The simulated rig that was asked for; raises ConfigError for one with hardware or two hands."""
    rig = load_rig(name)
    if rig.world is None:
        raise ConfigError(
            f"rig {name!r} was asked for", found="a rig that talks to hardware", allowed="a rig with a [world] table"
        )
    if rig.second_hand is not None:
        raise ConfigError(
            f"rig {name!r} was asked for", found="two hands", allowed="one: the scripts move a hand in the world"
        )
    return rig


def _require_simulator() -> None:
    try:
        import mujoco  # noqa: F401
    except ImportError as error:
        raise MissingPartError("a simulated world was asked for", next_step="pip install 'skin-teleop[sim]'") from error


def _plan(options: argparse.Namespace) -> Plan:
    from drivers.simulated.objects import OBJECT_NAMES, known_object
    from drivers.simulated.scripted.actions import ACTION_NAMES, known_action
    from skin_teleop.cli.simulate_plan import Plan

    if not SHORTEST_S <= options.session_seconds <= LONGEST_S:
        raise ConfigError(
            "--session-seconds", found=f"{options.session_seconds}", allowed=f"{SHORTEST_S} to {LONGEST_S}"
        )
    if not 0 < options.hours < math.inf or options.workers < 1 or options.seed < 0 or options.skin_seed < 0:
        found = f"--hours {options.hours} --workers {options.workers} --seed {options.seed}"
        raise ConfigError("an amount of simulation", found=found, allowed="hours above 0, workers from 1, seeds from 0")
    objects = OBJECT_NAMES if options.objects == "all" else tuple(map(known_object, options.objects.split(",")))
    actions = ACTION_NAMES if options.actions == "all" else tuple(map(known_action, options.actions.split(",")))
    sessions = math.ceil(options.hours * 3600 / options.session_seconds)
    _rig(options.rig)
    return Plan(objects, actions, sessions, options.session_seconds, options.seed, options.skin_seed, options.rig)


def simulate_all(
    plan: Plan, episodes: Sequence[tuple[int, str, str]], folder: Path, workers: int
) -> Iterator[dict[str, Any]]:
    """Simulate episodes in processes of their own; yields each session's line as it is finished."""
    from skin_teleop.cli.simulate_session import simulate_session

    if not episodes:
        return
    rig = _rig(plan.rig)
    with own_workers(min(workers, len(episodes))) as pool:
        jobs = [
            pool.submit(simulate_session, folder, rig, *episode, plan.seconds, plan.seed, plan.skin_seed)
            for episode in episodes
        ]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def _clear_interrupted(folder: Path) -> None:
    """Remove the unfinished sessions that an interrupted run marked as its own; they are simulated again."""
    from skin_teleop.cli.simulate_session import PLAN_KEY

    for path in folder.glob(f"*{LIVE_SUFFIX}"):
        try:
            ours = PLAN_KEY in load_meta(path)
        except SessionError:
            continue
        if ours and not is_live(path):
            shutil.rmtree(path)


def summary(rows: Iterable[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """Sums over the ledger's lines by action or object: seconds and counts of what was rejected."""
    total: dict[str, dict[str, Any]] = {}
    for row in rows:
        mine = total.setdefault(row[key], {"attempted_s": 0.0, "kept_s": 0.0, "passed_s": 0.0, "rejected": {}})
        for name in ("attempted_s", "kept_s", "passed_s"):
            mine[name] = round(mine[name] + row[name], 2)
        for reason, count in row["rejected"].items():
            mine["rejected"][reason] = mine["rejected"].get(reason, 0) + count
    return dict(sorted(total.items()))


def _table(key: str, figures: dict[str, dict[str, Any]]) -> Table:
    table = Table(key, "attempted s", "kept", "of it passed", "rejected", box=None, header_style="dim")
    for name, row in figures.items():
        kept, passed = row["kept_s"] / max(row["attempted_s"], 1e-9), row["passed_s"] / max(row["kept_s"], 1e-9)
        reasons = ", ".join(f"{count} {reason}" for reason, count in row["rejected"].items())
        table.add_row(name, f"{row['attempted_s']:.0f}", f"{kept:.0%}", f"{passed:.0%}", reasons)
    return table


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
