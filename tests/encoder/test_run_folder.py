from __future__ import annotations

import os

import pytest

from encoder.run_folder import (
    METRICS_FILE,
    MetricsLog,
    RunSettings,
    begin,
    new_folder,
    newest_unfinished,
    unfinished_settings,
    write_atomically,
)
from skin_teleop.errors import ConfigError, TrainingError

SETTINGS = RunSettings("demo", 60, 0, "vendor", False, {"a": "ff"})


def test_new_folders_are_new(tmp_path, monkeypatch):
    monkeypatch.setattr("encoder.run_folder.time.strftime", lambda *_: "20260301T101500Z")
    first = new_folder(tmp_path, "demo")
    assert first.name == "20260301T101500Z_demo"
    first.mkdir()
    assert new_folder(tmp_path, "demo").name == "20260301T101500Z_demo_2"


def test_settings_round_trip(tmp_path):
    begin(tmp_path / "run", SETTINGS)
    assert unfinished_settings(tmp_path / "run") == SETTINGS
    assert unfinished_settings(tmp_path) is None


def test_damaged_settings_are_an_error(tmp_path):
    (tmp_path / "run.json").write_text('{"preset": 3}')
    with pytest.raises(ConfigError, match="cannot be resumed"):
        unfinished_settings(tmp_path)


def test_newest_unfinished_run_is_found(tmp_path):
    for age, name in enumerate(("newest", "older", "finished")):
        begin(tmp_path / name, SETTINGS)
        os.utime(tmp_path / name / "run.json", ns=(0, 10**18 - age))
    (tmp_path / "finished" / "model.safetensors").touch()
    os.utime(tmp_path / "finished" / "run.json", ns=(0, 2 * 10**18))
    assert newest_unfinished(tmp_path) == tmp_path / "newest"
    with pytest.raises(ConfigError, match=r"an unfinished run in .* was asked for; found: none"):
        newest_unfinished(tmp_path / "finished")


def test_what_is_written_has_reached_the_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    """The content is synced before the rename, the folder after it; earlier states may be deleted then."""
    path, steps = tmp_path / "model.safetensors", []
    path.write_bytes(b"old")
    monkeypatch.setattr("dataset_tools.durable.os.fsync", lambda _: steps.append(("content", path.read_bytes())))
    monkeypatch.setattr("dataset_tools.durable.sync_folder", lambda _: steps.append(("folder", path.read_bytes())))
    write_atomically(path, b"new")
    assert steps == [("content", b"old"), ("folder", b"new")]


@pytest.mark.parametrize("name", [METRICS_FILE, "events.out.tfevents.*"])
def test_a_full_disk_ends_the_log_in_words(tmp_path, name):
    log = MetricsLog(tmp_path, 0)
    log.append({"step": 0, "loss": 1.0})
    (file,) = tmp_path.glob(name)
    file.unlink()
    file.symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"metrics\.jsonl was to be written.*No space left .*; next: make room"):
        log.append({"step": 1, "loss": 1.0})


def test_atomic_write_replaces_and_leaves_no_part(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
