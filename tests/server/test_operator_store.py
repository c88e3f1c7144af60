"""Every calibration is kept, the newest is used, and a name never leaves the folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from server.operator_motion.calibration_motion import calibration_trace
from server.operator_store import OperatorStore, operators_folder
from server.retargeting.calibration import Calibration, calibrate, load_calibration
from skin_teleop.errors import ConfigError
from skin_teleop.hand import hand_model


@pytest.fixture(scope="module")
def measured() -> Calibration:
    return calibrate(calibration_trace(0.5).pose[..., :3], hand_model("allegro_v4_right"), "anna")


def test_versions_grow_and_the_newest_counts(tmp_path: Path, measured: Calibration):
    store = OperatorStore(tmp_path / "operators", "allegro_v4_right")
    assert store.names() == [] and store.newest("anna") is None
    first = store.keep(measured)
    better = dataclasses.replace(measured, quality=0.99)
    second = store.keep(better)
    assert (first.version, second.version) == (1, 2)
    assert store.newest("anna") == second
    assert store.names() == ["anna"]
    files = sorted(path.name for path in (tmp_path / "operators" / "anna").iterdir())
    assert files == ["allegro_v4_right-0001.json", "allegro_v4_right-0002.json"]
    assert load_calibration(tmp_path / "operators" / "anna" / files[0]) == measured
    assert (tmp_path / "operators" / "anna").stat().st_mode & 0o077 == 0


def test_another_robot_hand_has_its_own(tmp_path: Path, measured: Calibration):
    OperatorStore(tmp_path, "allegro_v4_right").keep(measured)
    other = OperatorStore(tmp_path, "allegro_v5_right")
    assert other.newest("anna") is None
    assert other.names() == []


def test_a_version_after_ten_thousand_is_still_the_newest(tmp_path: Path, measured: Calibration):
    (tmp_path / "anna").mkdir()
    for version in (9999, 10000):
        measured.save(tmp_path / "anna" / f"allegro_v4_right-{version}.json")
    (tmp_path / "anna" / "notes.json").write_text("{}")
    newest = OperatorStore(tmp_path, "allegro_v4_right").newest("anna")
    assert newest is not None and newest.version == 10000


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "a b", "x" * 65])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match=r"an operator's name.*letters, digits, dash, underscore"):
        OperatorStore(tmp_path, "allegro_v4_right").newest(name)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "allegro_v4_right-0001.json").write_text("{")
    with pytest.raises(ConfigError, match=r"anna/allegro_v4_right-0001\.json"):
        OperatorStore(tmp_path, "allegro_v4_right").newest("anna")


def test_they_are_kept_in_the_users_data_folder(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert operators_folder() == tmp_path / "skin-teleop" / "operators"
