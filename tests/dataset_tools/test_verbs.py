from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_folder import locked
from skin_teleop.cli.main import main


def test_sessions_lists_live_sealed_and_broken(record, rig, capsys):
    sealed, live = seal_session(record(seconds=0.5, drops={"uskin": 3})), record(seconds=0.3)
    broken = Path(rig.recorder.folder) / "zz_broken"
    broken.mkdir()
    (broken / "session.json").write_text("{")
    assert main(["sessions", rig.recorder.folder]) == 0
    lines = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "  sealed  " in lines[str(sealed)] and "uskin 50" in lines[str(sealed)]
    assert "3 rows dropped" in lines[str(sealed)]
    assert "  stopped  " in lines[str(live)] and "rows dropped" not in lines[str(live)]
    assert "no readable session.json" in lines[str(broken)]


def test_sessions_as_json(record, rig, capsys):
    sealed = seal_session(record(seconds=0.5))
    assert main(["sessions", rig.recorder.folder, "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["path"] == str(sealed) and facts["object"] == "can"
    assert facts["streams"]["uskin"] == {
        "rows": 50,
        "nominal_hz": 100.0,
        "measured_hz": 100.0,
        "max_gap_ms": 10.0,
        "dropped": 0,
    }


def test_folders_that_are_not_there_are_errors(tmp_path, capsys):
    assert main(["sessions", str(tmp_path / "no")]) == 1
    assert main(["recover", str(tmp_path / "no")]) == 1
    assert capsys.readouterr().err.count("no such folder") == 2
    assert main(["sessions", str(tmp_path)]) == 0
    assert main(["recover", str(tmp_path)]) == 0
    assert "nothing to recover" in capsys.readouterr().out


def test_recover_seals_what_nobody_records(record, rig, capsys):
    left, live = record(seconds=0.5), record(seconds=0.3)
    with locked(live):
        assert main(["recover", rig.recorder.folder]) == 0
    out = capsys.readouterr().out
    assert "  uskin: 50 rows\n" in out and live.name not in out
    assert open_session(left.with_name(left.name.removesuffix(".rec"))).status == "sealed"
    assert live.is_dir()


def test_recover_fails_when_something_could_not_be_saved(record, rig, capsys):
    left = record(seconds=0.3)
    (left / "session.json").write_text("{")
    assert main(["recover", rig.recorder.folder]) == 1
    assert "NOT recovered: session" in capsys.readouterr().out
    assert (left / "wal" / "000000.wal").is_file()


def test_one_leftover_beyond_words_does_not_keep_the_others_from_recovery(record, rig, capsys):
    folders = sorted(record(seconds=0.5) for _ in range(2))
    meta = json.loads((folders[0] / "session.json").read_text())
    meta["rig"] = "gone"
    (folders[0] / "session.json").write_text(json.dumps(meta))
    assert main(["recover", rig.recorder.folder]) == 1
    shown = capsys.readouterr().out
    assert f"{folders[0]}: NOT recovered: TypeError" in shown
    assert f"{folders[1].with_suffix('')}: " in shown
    assert (folders[0] / "wal").is_dir() and folders[1].with_suffix("").is_dir()


def test_seal_prints_where_the_session_stands(record, capsys):
    live = record(seconds=0.5)
    assert main(["seal", str(live), "--keep-wal"]) == 0
    sealed = live.with_name(live.name.removesuffix(".rec"))
    assert capsys.readouterr().out.startswith(f"{sealed}: 304 rows in 5 streams")
    assert (sealed / "wal").is_dir()
    assert main(["seal", str(sealed) + "x.rec"]) == 1


@pytest.fixture
def session(record):
    marks = ((0.2, "squeeze", "begin"), (0.9, "squeeze", "end"))
    return record(seconds=2.5, contact_s=(1.2, 2.0), marks=marks)


def test_label_by_hand(session, capsys):
    assert main(["label", str(session), "--add", "slide", "--start", "0.5", "--end", "1.25", "--annotator", "a9"]) == 0
    (label,) = LabelStore(open_session(session)).current()
    start_ns = open_session(session).start_ns
    assert (label.t_start_mono_ns - start_ns, label.t_end_mono_ns - start_ns) == (500_000_000, 1_250_000_000)
    assert label.annotator == "a9"
    capsys.readouterr()
    assert main(["label", str(session), "--list"]) == 0
    assert capsys.readouterr().out == f"{label.id}     0.500 s     1.250 s  slide  labelled  human\n"
    assert main(["label", str(session), "--delete", label.id]) == 0
    assert main(["label", str(session), "--list"]) == 0
    assert capsys.readouterr().out.endswith("no labels\n")


def test_label_from_events_twice_adds_once(session, capsys):
    for expected in (1, 0):
        assert main(["label", str(session), "--from-events", "--json"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == expected
    assert main(["label", str(session), "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "squeeze"


def test_label_proposes_contacts(session, capsys):
    assert main(["label", str(session), "--propose"]) == 0
    assert "contact  proposed  proposal" in capsys.readouterr().out
    assert main(["label", str(session), "--propose"]) == 0
    assert capsys.readouterr().out == "nothing new\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--add", "slide"], "--add needs --start and --end"),
        (["--add", "slide", "--start", "nan", "--end", "1"], "seconds from the session's start"),
        (["--add", "juggling", "--start", "0", "--end", "1"], "allowed: squeeze, slide, rotation"),
        (["--add", "slide", "--start", "0", "--end", "1e9"], "inside the session"),
        (["--delete", "nobody"], "no such label"),
    ],
)
def test_label_errors_say_what_is_allowed(session, arguments, text, capsys):
    assert main(["label", str(session), *arguments]) == 1
    assert text in capsys.readouterr().err
