"""The stages of the demo, one after another; whatever happens, the summary says how far it came."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dataset_tools.labels import Label, LabelStore
from dataset_tools.proposals import label_contacts, label_from_marks
from dataset_tools.reader import Session, open_session
from dataset_tools.statistics import session_statistics
from skin_teleop.cli.latency import percentiles, pose_latencies_ms
from skin_teleop.cli.operate import record_trace
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.cli.witness import unwitnessed_actions
from skin_teleop.errors import SessionError, SkinTeleopError
from skin_teleop.rig import load_rig

logger = logging.getLogger(__name__)

PACKAGES = ("skin-teleop", "numpy", "zarr", "mujoco-core", "python-can", "fastapi", "websockets", "pyzmq", "torch")
ACTIONS = ("squeeze", "rotation", "pick-and-drop", "pressing")
REPORT = "report.html"


@dataclass(slots=True)
class Stage:
    """One stage of the demo and how it went."""

    name: str
    seconds: float = 0.0
    ok: bool = False


@dataclass(slots=True)
class DemoRun:
    """A numbered folder, and the stages that fill it."""

    root: Path
    pretrain_seconds: float
    console: Console = field(default_factory=Console)
    stages: list[Stage] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    folder: Path = Path()
    _session: Session | None = None
    _labels: list[Label] = field(default_factory=list)

    def run(self) -> int:
        """Run every stage; 0 when all of them went well. Raises nothing that a stage raised: it is told instead."""
        self.folder = _new_folder(self.root)
        self.console.print(f"demo in [bold]{self.folder}[/]: a simulated hand and skin, about five minutes")
        try:
            for name, work in self._plan():
                with self._stage(name):
                    work()
        except (SkinTeleopError, KeyboardInterrupt) as error:
            why = str(error) or "stopped by the user"
            self.console.print(f"[red]stage {self.stages[-1].name} failed:[/] ", end="")
            self.console.print(why, markup=False)
            return 1
        finally:
            self._write_summary()
        self._print_summary()
        return 0

    def _plan(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("record", self._record),
            ("label", self._label),
            ("verify actions", self._verify),
            ("pretrain and probe", self._pretrain),
            ("report", self._report),
        ]

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        stage = Stage(name)
        self.stages.append(stage)
        began = time.monotonic()
        try:
            yield
            stage.ok = True
        finally:
            stage.seconds = round(time.monotonic() - began, 2)
        self.console.print(f"[green]done[/] {name} [dim]{stage.seconds:.1f} s[/]")

    def _record(self) -> None:
        """Start the rig, play the operator through the real door, seal the session."""
        from server.operator_motion.demo_motion import demo_trace  # seconds of computing that only this stage needs

        rig = load_rig("simulated").on_free_ports().with_recordings_in(self.folder / "sessions")
        trace = demo_trace()
        with _progress(self.console) as progress, RunningRig(rig) as running:
            task = progress.add_task("operating", total=len(trace.t_s))
            played = record_trace(
                running,
                trace.as_trace(),
                object_name="pringle",
                plan=ACTIONS,
                on_frame=lambda sent: progress.update(task, completed=sent),
            )
        self._session = open_session(played.session)
        statistics = session_statistics(self._session)
        latencies = percentiles(pose_latencies_ms(self._session, rig.hand.name))
        self.summary |= {
            "session": os.path.relpath(played.session),
            "realtime_factor": round(self._session.realtime_factor or 0.0, 4),
            "streams": {name: _stream_row(asdict(figures)) for name, figures in statistics.items()},
            "latency_ms": latencies,
            "recorder": {
                "rows": sum(figures.rows for figures in statistics.values()),
                "rows_lost": sum(figures.dropped for figures in statistics.values()),
                "wal_bytes": played.status.wal_bytes,
            },
            "operator": {"frames_sent": played.frames_sent, "frames_rejected": sum(played.frames_rejected.values())},
        }

    def _label(self) -> None:
        """Turn the operator's marks and the skin's own contacts into labels."""
        store = LabelStore(self._recorded())
        label_from_marks(store)
        label_contacts(store)
        self._labels = store.current()
        names = [label.label for label in self._labels]
        self.summary["labels"] = {
            "count": len(names),
            "actions": {name: names.count(name) for name in sorted(set(names))},
        }

    def _verify(self) -> None:
        """Ask the simulated world whether the announced actions happened."""
        doubts = unwitnessed_actions(self._recorded(), self._marked())
        if doubts:
            raise SessionError(
                f"the demo's actions in {self.summary['session']}",
                found="; ".join(doubts),
                next_step=f"run it on a calmer machine (realtime factor {self.summary['realtime_factor']})",
            )

    def _pretrain(self) -> None:
        """The user's own command, on the session just recorded."""
        from skin_teleop.cli.main import main  # the verb, exactly as typed

        run, answer = self.folder / "run", self.folder / "pretrain.json"
        words = ["pretrain", self.summary["session"], "--preset", "demo", "--out", str(run), "--json", str(answer)]
        if main([*words, "--max-time", str(self.pretrain_seconds)]) != 0:
            raise SessionError("pretraining on the demo's session", found="the verb failed; see its message above")
        result = json.loads(answer.read_text())
        self.summary["probe"] = result.pop("probe")
        self.summary["pretrain"] = result | {"run": os.path.relpath(run)}

    def _report(self) -> None:
        from skin_teleop.cli.report.demo_report import write_demo_report  # matplotlib takes a second to import

        write_demo_report(self.folder / REPORT, self._recorded(), self._labels, self.summary, self.folder / "run")

    def _recorded(self) -> Session:
        if self._session is None:
            raise SessionError("the demo's session was asked for", found="nothing was recorded yet")
        return self._session

    def _marked(self) -> list[Label]:
        return [label for label in self._labels if label.source == "live"]

    def _write_summary(self) -> None:
        self.summary["stages"] = [asdict(stage) for stage in self.stages]
        self.summary["versions"] = {"python": platform.python_version()} | {
            name: importlib.metadata.version(name) for name in PACKAGES
        }
        self.summary["simulated"] = True
        (self.folder / "summary.json").write_text(json.dumps(self.summary, indent=2) + "\n")

    def _print_summary(self) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for caption, figure in summary_lines(self.summary).items():
            table.add_row(f"[dim]{caption}[/]", figure)
        self.console.print(table)
        self.console.print(f"open [bold]{self.folder / REPORT}[/] in a browser")


def summary_lines(summary: dict[str, Any]) -> dict[str, str]:
    """The figures that a person wants first, as caption and text."""
    latency, probe, streams = summary["latency_ms"], summary["probe"], summary["streams"]
    return {
        "session": summary["session"],
        "realtime factor": f"{summary['realtime_factor']:.2f}",
        "skin / hand rate": f"{streams['uskin']['measured_hz']:.1f} / {streams['allegro']['measured_hz']:.1f} Hz",
        "rows recorded, lost": f"{summary['recorder']['rows']:,}, {summary['recorder']['rows_lost']}",
        "pose to CAN": f"p50 {latency['pose_to_can']['p50']:.1f} ms, p99 {latency['pose_to_can']['p99']:.1f} ms",
        "labels": ", ".join(f"{count} {name}" for name, count in summary["labels"]["actions"].items()),
        "pretraining": f"{summary['pretrain']['steps']} steps on {summary['pretrain']['windows']} windows",
        "probe, force R²": ", ".join(f"{name} {row['value']:.3f}" for name, row in probe.items()) if probe else "none",
    }


def _stream_row(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: figures[key] for key in ("rows", "measured_hz", "max_gap_ms", "dropped", "nominal_hz")}


def _new_folder(root: Path) -> Path:
    """The next numbered folder, with `latest` pointing to it; no earlier folder is touched."""
    root.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.name) for path in root.iterdir() if path.name.isdigit()]
    folder = root / f"{max(numbers, default=0) + 1:03d}"
    folder.mkdir()
    link = root / "latest.new"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.replace(root / "latest")
    return folder


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    )
