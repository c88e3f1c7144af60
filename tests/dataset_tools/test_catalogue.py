from __future__ import annotations

import json

import pytest

from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from skin_teleop.cli.main import main


@pytest.fixture
def collection(record, rig):
    """Two sessions: 360 ms slide of a can and 720 ms squeeze of a cup."""
    first, second = (LabelStore(open_session(record(seconds=0.8))) for _ in range(2))
    t0 = first.session.start_ns
    first.add("slide", t0, t0 + 360_000_000, attributes={"quality": "good"})
    first.add("contact", t0, t0 + 500_000_000, state="proposed", source="proposal")
    second.add("squeeze", t0, t0 + 720_000_000, attributes={"object": "cup"})
    return rig.recorder.folder, first.session.path, second.session.path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--object", "cup"], [2]),
        (["--object", "can"], [1, 2]),
        (["--action", "slide"], [1]),
        (["--action", "contact"], []),
        (["--operator", "p1"], [1, 2]),
        (["--operator", "p2"], []),
        (["--quality", "good"], [1]),
        (["--min-seconds", "1e9"], []),
    ],
)
def test_sessions_are_filtered(collection, words, found, capsys):
    folder, *sessions = collection
    assert main(["sessions", folder, *words]) == 0
    out = capsys.readouterr().out
    assert [k for k in (1, 2) if str(sessions[k - 1]) in out] == found


def test_hours_are_summed_by_action_and_object(collection, capsys):
    folder = collection[0]
    assert main(["sessions", folder, "--hours", "--json"]) == 0
    hours = json.loads(capsys.readouterr().out)
    assert hours["sessions"] == 2
    assert hours["by_action"] == {"slide": 0.0001, "squeeze": 0.0002}
    assert hours["by_object"] == {"can": 0.0001, "cup": 0.0002}
    assert main(["sessions", folder, "--hours", "--action", "slide"]) == 0
    assert "1 session," in capsys.readouterr().out
