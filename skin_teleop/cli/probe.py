"""Verb `probe`: judge a pretrained encoder with frozen linear probes on sessions with known forces."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dataset_tools.labels import Label, LabelStore
from dataset_tools.reader import Session, open_session
from encoder.recording_cache import cached_recording
from encoder.session_data import TactileRecording, load_recording
from encoder.splits import LeaveOut
from encoder.training_extra import require_training_extra


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder with config.json and model.safetensors")
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="session folders of a simulated rig")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Probe the encoder, untrained ones and raw statistics; print the table."""
    require_training_extra("a probe")
    from encoder.checkpoint import load_config, load_encoder, windows_for
    from encoder.probe import PROTOCOL, probe, probe_task

    encoder = load_encoder(options.run)
    windows = windows_for(load_config(options.run), load_recordings(options.sessions))
    task = probe_task(windows)
    result = probe(encoder, windows, task)
    Console().print(probe_table(result))
    print(PROTOCOL)
    if options.json:
        answer = {"run": str(options.run), "windows": len(task.rows), "protocol": PROTOCOL, "probe": result}
        options.json.write_text(json.dumps(plain_numbers(answer), indent=2) + "\n")
    return 0


def load_recordings(sessions: Sequence[str], cache: Path | None = None) -> list[TactileRecording]:
    """Read sessions or packs, by way of a cache folder if one is named; raises SessionError for an unusable one."""
    opened = [(session, _labels(session)) for session in map(open_session, sessions)]
    if cache is None:
        return [load_recording(session, labels) for session, labels in opened]
    return [cached_recording(session, labels, cache) for session, labels in opened]


def add_leave_out(parser: argparse.ArgumentParser) -> None:
    """Options that say which recordings nothing may be learnt from, and where decoded ones are kept."""
    parser.add_argument("--leave-objects", default="", metavar="A,B", help="objects that nothing is learnt from")
    parser.add_argument("--leave-sessions", default="", metavar="A,B", help="session names that nothing is learnt from")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep decoded recordings here, mapped into memory")


def leave_out_of(options: argparse.Namespace) -> LeaveOut:
    """What those options say."""
    texts = (options.leave_objects, options.leave_sessions)
    return LeaveOut(*(tuple(filter(None, text.split(","))) for text in texts))


def _labels(session: Session) -> list[Label]:
    """Labels that stand beside the data; a session in an object store is read without."""
    return LabelStore(session).current() if isinstance(session.place, Path) else []


def probe_table(probe: dict[str, dict[str, float | str]]) -> Table:
    """The probe's result for a terminal."""
    table = Table("features", "force R2", "contact balanced accuracy", "seeds", title="frozen linear probe, held out")
    for name, row in probe.items():
        table.add_row(name, f"{row['force_r2']:.3f}", f"{row['contact_balanced_accuracy']:.3f}", str(row["seeds"]))
    return table


def plain_numbers(value: object) -> object:
    """The same structure with None in place of NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
