from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from dataset_tools.reader import Session
from skin_teleop.cli.demo_run import DemoRun
from skin_teleop.errors import ProcessDied, SessionError


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


def demo(root: Path, said: io.StringIO) -> DemoRun:
    return DemoRun(root, 1.0, console=Console(file=said, width=200))


def test_every_run_gets_the_next_number_and_latest_points_to_it(
    tmp_path: Path, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DemoRun, "_plan", lambda self: [])
    monkeypatch.setattr(DemoRun, "_print_summary", lambda self: None)
    (tmp_path / "007").mkdir()
    (tmp_path / "007" / "precious").touch()
    assert demo(tmp_path, said).run() == 0
    assert demo(tmp_path, said).run() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["007", "008", "009", "latest"]
    assert (tmp_path / "latest").resolve() == (tmp_path / "009").resolve()
    assert (tmp_path / "007" / "precious").exists()


def test_a_failed_stage_is_named_and_the_summary_says_how_far_it_came(
    tmp_path: Path, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: DemoRun) -> None:
        raise ProcessDied("the hand process of rig simulated died", found="exit code -9")

    monkeypatch.setattr(DemoRun, "_record", fail)
    assert demo(tmp_path, said).run() == 1
    assert "stage record failed: the hand process of rig simulated died; found: exit code -9" in said.getvalue()
    summary = json.loads((tmp_path / "latest" / "summary.json").read_text())
    assert [(stage["name"], stage["ok"]) for stage in summary["stages"]] == [("record", False)]


def test_actions_that_did_not_happen_fail_the_demo(tmp_path: Path, said: io.StringIO, session: Session) -> None:
    run = demo(tmp_path, said)
    run._session = session
    run.summary |= {"session": "made-up", "realtime_factor": 0.4}
    run._label()
    assert run.summary["labels"]["count"] >= 1  # the skin itself shows a contact
    run._labels = [label for label in run._labels if label.source != "live"]
    run._verify()
    start_ns = run._labels[0].t_start_mono_ns
    lied = msgspec.structs.replace(
        run._labels[0], label="pick-and-drop", source="live", t_end_mono_ns=start_ns + 500_000_000
    )
    run._labels = [lied]
    with pytest.raises(SessionError, match=r"pick-and-drop: the object rose 0 mm.*realtime factor 0\.4"):
        run._verify()


def test_a_stage_cannot_run_before_the_recording(tmp_path: Path, said: io.StringIO) -> None:
    with pytest.raises(SessionError, match="nothing was recorded yet"):
        demo(tmp_path, said)._label()
