"""The whole benchmark on made-up sessions of five objects, through the verb."""

from __future__ import annotations

import dataclasses
import json
import math

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from encoder.benchmark.feature_sets import centre_of_pressure, joints_rad, last_frame, principal_components
from encoder.benchmark.rows import frozen_row, plain_rows, random_encoders
from encoder.benchmark.study import StudyPlan, judged_for, material_of, run_study
from encoder.checkpoint import SCHEMA, EncoderConfig, save_encoder
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.session_data import load_recording
from encoder.splits import LeaveOut, with_some_sessions
from encoder.windows import TactileWindows
from skin_teleop.cli.benchmark import _by_kind, _one_reading
from skin_teleop.cli.main import main
from skin_teleop.errors import ConfigError, SessionError
from skin_teleop.skin_layout import skin_layout

THINGS = ("ball", "ball", "cup", "cup", "lego", "lego", "corn", "corn")
SIZE = EncoderSize(12, 1, 3, "pad")


@pytest.fixture(scope="module")
def recordings(session):
    made = [load_recording(session(200, seed=seed)) for seed in range(len(THINGS))]
    return [
        dataclasses.replace(recording, name=f"s{k}", object_name=thing)
        for k, (recording, thing) in enumerate(zip(made, THINGS, strict=True))
    ]


@pytest.fixture(scope="module")
def leave_out(recordings):
    return with_some_sessions(recordings, LeaveOut(("lego", "corn")), 0.15, seed=0)


@pytest.fixture(scope="module")
def material(recordings, leave_out):
    return material_of(recordings, leave_out, "vendor", 8)


def an_encoder(windows):
    encoder = SparshSkinEncoder(SIZE)
    encoder.set_statistics(*(torch.from_numpy(statistic).float() for statistic in windows.flux_statistics()))
    return encoder


def test_windows_are_even_and_whole_recordings_are_judged(material, leave_out):
    of_row = material.windows.recording[material.rows]
    assert np.bincount(of_row).tolist() == [8] * len(THINGS)
    left = [k for k, recording in enumerate(material.windows.recordings) if leave_out.holds(recording)]
    assert len(left) == 6
    assert set(of_row[material.judge].tolist()) == set(left)
    assert not set(of_row[material.train].tolist()) & set(left)


def test_objects_are_judged_among_known_ones_and_all_else_on_unknown_ones(material, leave_out):
    names = np.array(THINGS)[material.windows.recording[material.rows[material.judge]]]
    by_name = {task.name: task for task in material.tasks}
    assert set(names[judged_for(by_name["object"], material, leave_out)]) == {"ball", "cup"}
    assert set(names[judged_for(by_name["force"], material, leave_out)]) == {"lego", "corn"}


def test_every_row_budget_and_difference_is_there(material, leave_out):
    rows = [*plain_rows(material), frozen_row("random", random_encoders(an_encoder(material.windows)), 0.0, material)]
    ours = frozen_row("ours", [an_encoder(material.windows)], 5.0, material)
    said = []
    cells = run_study([*rows, ours], ["ours"], material, leave_out, StudyPlan((0.5, 1.0), 2, 8), said.append)
    scores, differences = [c for c in cells if not c.minus], [c for c in cells if c.minus]
    tasks = {cell.task for cell in cells}
    assert tasks == {"force", "contact", "object"}
    assert len(scores) == len(tasks) * 2 * 8
    assert len(differences) == len(tasks) * 2 * 7
    assert {cell.episodes for cell in cells} == {1, 2}
    assert [name.removeprefix("judging: ") for name in said] == [row.name for row in [*rows, ours]]
    value = {(c.row, c.task, c.budget): c.score.value for c in scores}
    for cell in differences:
        wanted = value["ours", cell.task, cell.budget] - value[cell.minus, cell.task, cell.budget]
        assert cell.score.value == pytest.approx(wanted)
    assert all(cell.core_s > 5 for cell in scores if cell.row == "ours")
    assert value["raw statistics", "contact", 1.0] > 0.6


def test_too_few_held_out_sessions_are_refused(recordings):
    with pytest.raises(SessionError, match=r"1 held-out sessions.*--leave-objects"):
        material_of(recordings, LeaveOut(sessions=("s0",)), "vendor", 8)


def test_centre_of_pressure_is_where_the_change_is(recording):
    pad = skin_layout().pads[4]
    lone = dataclasses.replace(recording, delta=np.zeros_like(recording.delta))
    lone.delta[:, pad.first + 5, 2] = -50
    blocks = centre_of_pressure(TactileWindows([lone]), np.array([0]))
    change, centre_mm = (block.reshape(18, 2, 3) for block in blocks)
    place_mm = 1000 * skin_layout().positions_m["vendor"][pad.taxels]
    np.testing.assert_allclose(change[4, 1], [0, 0, -50], atol=1e-6)
    np.testing.assert_allclose(centre_mm[4, 1], place_mm[5] - place_mm.mean(0), atol=1e-6)
    for figures in (change, centre_mm):
        assert (np.delete(figures, 4, 0) == 0).all()


def test_plain_readings_are_of_the_windows_last_frame(recording):
    windows = TactileWindows([recording])
    np.testing.assert_array_equal(last_frame(windows, np.array([7]))[0], recording.delta[7 + 9].reshape(-1))
    np.testing.assert_array_equal(joints_rad(windows, np.array([7]))[0], recording.joint_rad[7 + 9])


def test_principal_components_keep_distances_of_training_windows(recording):
    windows, rows = TactileWindows([recording]), np.arange(0, 60, 2)
    train = np.arange(len(rows)) < 20
    scores = principal_components(windows, rows, train)
    assert scores.shape[0] == 30
    assert scores.shape[1] <= 19
    raw = windows.gather(rows[:2]).flux.numpy().reshape(2, -1)
    np.testing.assert_allclose(np.linalg.norm(scores[0] - scores[1]), np.linalg.norm(raw[0] - raw[1]), rtol=1e-3)
    np.testing.assert_allclose(scores[train].mean(0), 0, atol=1e-2 * np.abs(scores).max())


def test_the_verb_writes_table_and_picture(recordings, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    a_run(folder, TactileWindows(recordings), core_s=3.0)
    monkeypatch.setattr("skin_teleop.cli.benchmark.load_recordings", lambda sessions, cache: recordings)
    table, picture = tmp_path / "table.json", tmp_path / "table.png"
    words = ["benchmark", "made-up", "--runs", str(folder), "--leave-objects", "lego,corn", "--budgets", "1"]
    small = ["--seeds", "1", "--windows", "6", "--attentive", "2", "--json", str(table), "--picture", str(picture)]
    assert main([*words, *small]) == 0
    answer = json.loads(table.read_text())
    rows = {cell["row"] for cell in answer["scores"]}
    assert rows == {
        "raw statistics", "centre of pressure", "raw PCA", "raw frame", "joints", "raw frame and joints",
        "random demo", "mae demo", "mae demo, attentive", "mae demo, fine-tuned", "random demo, attentive",
        "end-to-end demo",
    }  # fmt: skip
    assert answer["simulated"] is True
    assert answer["left_out"]["objects"] == ["lego", "corn"]
    assert {c["minus"] for c in answer["scores"] if c["row"] == "mae demo"} >= {"", "end-to-end demo", "random demo"}
    assert not any(isinstance(c["score"]["value"], float) and math.isnan(c["score"]["value"]) for c in answer["scores"])
    assert "SIMULATED" in capsys.readouterr().out
    with Image.open(picture) as drawn:
        assert drawn.width > 1000
    assert main([*words[:-1], "0,2"]) == 1
    assert "shares above 0, at most 1" in capsys.readouterr().err


def a_run(folder, windows, seed=0, **changes):
    about = {"geometry": "vendor", "layout": "xela_ah_right", "preset": "demo", "exported": "student"}
    config = EncoderConfig(
        SCHEMA, SIZE, **about, chosen_by="", steps=1, seed=seed, simulated=True,
        data_fingerprints={}, bf16=False, objective="mae",
    )  # fmt: skip
    save_encoder(folder, an_encoder(windows), msgspec.structs.replace(config, **changes))
    return folder


def test_a_run_that_has_learnt_from_what_is_left_out_is_refused(recordings, tmp_path, monkeypatch, capsys):
    windows = TactileWindows(recordings)
    lego = {r.name: r.fingerprint() for r in recordings if r.object_name == "lego"}
    folder = a_run(tmp_path / "run", windows, data_fingerprints=lego)
    monkeypatch.setattr("skin_teleop.cli.benchmark.load_recordings", lambda sessions, cache: recordings)
    words = ["benchmark", "made-up", "--runs", str(folder), "--leave-objects", "lego,corn", "--budgets", "1"]
    assert main([*words, "--seeds", "1", "--windows", "6"]) == 1
    error = capsys.readouterr().err
    assert "has learnt from 2 of them" in error
    assert "--allow-seen" in error
    everything = {r.name: r.fingerprint() for r in recordings}
    other = a_run(tmp_path / "other", windows, data_fingerprints=everything)
    assert main(["benchmark", "made-up", "--runs", str(other), "--budgets", "1", "--windows", "6"]) == 1
    assert "has learnt from 4 of them" in capsys.readouterr().err, "one session of each object is drawn"
    table = tmp_path / "table.json"
    assert main([*words, "--seeds", "1", "--windows", "6", "--allow-seen", "--json", str(table)]) == 0
    assert json.loads(table.read_text())["learnt_from_left_out"] == {str(folder): 2}


def test_only_runs_that_differ_by_their_seed_share_a_row(recordings, tmp_path):
    windows = TactileWindows(recordings)
    folders = [
        a_run(tmp_path / "first", windows, seed=0),
        a_run(tmp_path / "second", windows, seed=1),
        a_run(tmp_path / "longer", windows, steps=2),
        a_run(tmp_path / "jepa", windows, objective="jepa"),
    ]
    kinds = _by_kind(folders)
    assert {name: len(members) for name, members in kinds.items()} == {
        "mae demo (first)": 2,
        "mae demo (longer)": 1,
        "jepa demo": 1,
    }


def test_a_run_of_another_skin_is_refused(recordings, tmp_path):
    folder = a_run(tmp_path / "run", TactileWindows(recordings), layout="xela_ah_left")
    with pytest.raises(ConfigError, match="xela_ah_left, xela_ah_right"):
        _one_reading(_by_kind([folder]), {"xela_ah_right"})
