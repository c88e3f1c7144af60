"""`skin-teleop simulate` as a user runs it: labelled sessions, going on after an interruption, clear refusals."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest

from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from dataset_tools.session_folder import change_meta
from dataset_tools.session_log import SessionLog
from skin_teleop.cli.main import main
from skin_teleop.cli.simulate import _clear_interrupted
from skin_teleop.cli.simulate_plan import LEDGER, Ledger, Plan
from skin_teleop.cli.simulate_session import OPERATOR, PLAN_KEY
from skin_teleop.errors import ConfigError
from skin_teleop.rig import load_rig

PLAN = Plan(("pringle", "flap"), ("squeeze", "articulation"), 8, 30.0, 5, 7)


def command(folder: Path, *more: str) -> list[str]:
    few = ["--objects", "pringle", "--actions", "pressing,squeeze", "--hours", "0.0027", "--session-seconds", "5"]
    return ["simulate", *few, "--out", str(folder), *more]


def ledger_rows(folder: Path) -> dict[int, dict]:
    _, *lines = (folder / LEDGER).read_text().splitlines()
    return {row["number"]: row for row in map(json.loads, lines)}


def test_sessions_are_labelled_and_an_interrupted_run_goes_on_with_the_same_rows(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    folder = tmp_path / "out"
    assert main(command(folder, "--workers", "2", "--json", str(answer))) == 0
    before = ledger_rows(folder)
    assert sorted(before) == [0, 1]
    assert {row["action"] for row in before.values()} == {"pressing", "squeeze"}

    session = open_session(folder / before[0]["session"])
    assert session.status == "sealed" and session.meta[PLAN_KEY] == {"number": 0, "seed": 0, "skin_seed": 7}
    assert session.rest_span_ns is not None
    labels = LabelStore(session).current()
    assert {label.label for label in labels} == {before[0]["action"]}
    assert {label.source for label in labels} == {"script"}
    truth = session.streams["truth"]
    assert session.streams["uskin"].rows == truth.rows
    assert (session.streams["uskin"]["age_ms"] == 0).all()
    inside = [(truth.t_mono > label.t_start_mono_ns) & (truth.t_mono <= label.t_end_mono_ns) for label in labels]
    assert all((truth["phase"][rows] > 0).all() for rows in inside)
    assert json.loads(answer.read_text())["by_object"]["pringle"]["passed_s"] > 5

    shutil.rmtree(folder / before[1]["session"])
    assert main(command(folder, "--workers", "1")) == 0
    after = ledger_rows(folder)
    assert after[0] == before[0]
    assert after[1]["session"] != before[1]["session"]
    assert after[1]["sha256_flux"] == before[1]["sha256_flux"]


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--objects", "teapot", r"object 'teapot'.*allowed: corn"),
        ("--actions", "throw", r"action 'throw'.*allowed: squeeze"),
        ("--hours", "-1", "hours above 0"),
        ("--session-seconds", "1", "allowed: 5.0 to 600.0"),
        ("--json", "no/such/folder/answer.json", "found: no such folder"),
        ("--rig", "teapot", "rig 'teapot' was asked for"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, option: str, value: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path / "out", option, value)) != 0
    shown = " ".join(capsys.readouterr().err.split())
    assert re.search(text, shown), shown
    assert not (tmp_path / "out").exists()


def test_a_plan_visits_all_pairs_that_suit_before_it_repeats() -> None:
    episodes = list(PLAN.episodes())
    assert [number for number, _, _ in episodes] == list(range(8))
    pairs = [(action, thing) for _, action, thing in episodes]
    assert {*pairs[:2]} == {("squeeze", "pringle"), ("articulation", "flap")}
    assert list(PLAN.episodes()) == episodes


def test_a_plan_without_a_fitting_pair_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: articulation with flap"):
        list(Plan(("flap",), ("squeeze",), 2, 30.0, 5, 7).episodes())


def test_a_folder_of_other_options_is_refused_and_a_torn_line_forgiven(tmp_path: Path) -> None:
    (tmp_path / "a_session").mkdir()
    Ledger(tmp_path, PLAN).note({"number": 3, "session": "a_session"})
    with (tmp_path / LEDGER).open("a") as file:
        file.write('{"number": 4, "sess')
    (tmp_path / "another").mkdir()
    ledger = Ledger(tmp_path, PLAN)
    assert set(ledger.finished) == {3}
    ledger.note({"number": 4, "session": "another"})
    assert set(Ledger(tmp_path, PLAN).finished) == {3, 4}
    with pytest.raises(ConfigError, match="sessions of other options"):
        Ledger(tmp_path, Plan(("cup",), ("squeeze",), 8, 30.0, 5, 7))


@pytest.mark.parametrize("written", ["", '{"objects": ["pri'])
def test_a_ledger_that_was_cut_before_its_first_line_was_whole_is_begun_anew(tmp_path: Path, written: str) -> None:
    (tmp_path / LEDGER).write_text(written)
    assert Ledger(tmp_path, PLAN).finished == {}
    (tmp_path / "a_session").mkdir()
    Ledger(tmp_path, PLAN).note({"number": 0, "session": "a_session"})
    assert set(Ledger(tmp_path, PLAN).finished) == {0}


def test_only_sessions_that_a_run_marked_as_its_own_are_cleared(tmp_path: Path) -> None:
    rig = load_rig("simulated").with_recordings_in(tmp_path)
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))
    folders = []
    for facts in ({}, {PLAN_KEY: {"number": 3, "seed": 5, "skin_seed": 7}}):
        with SessionLog.create(tmp_path, rig, operator=OPERATOR) as log:
            change_meta(log.folder, **facts)
        folders.append(log.folder)
    _clear_interrupted(tmp_path)
    assert [folder.is_dir() for folder in folders] == [True, False]
