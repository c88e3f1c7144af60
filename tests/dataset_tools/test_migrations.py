"""A made-up version 0.9.0: `thing` was the object, `licence` did not exist, and `position` was called `angle`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from dataset_tools import migrations
from dataset_tools.checks.session import check_session
from dataset_tools.migrations import Migration, migrate_description
from dataset_tools.pack import pack_session
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.wal_frame import HEADER, SCHEMA_STREAM, frame_header
from skin_teleop.errors import SessionError


def from_0_9(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if key != "thing"} | {
        "object": meta["thing"],
        "licence": "unspecified",
    }


def from_0_8(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if key != "what"} | {"thing": meta["what"]}


MADE_UP = (
    Migration("0.9.0", from_0_8, {"JointState": {"angle": "q"}}),
    Migration("1.0.0", from_0_9, {"JointState": {"position": "angle"}}),
)


@pytest.fixture(autouse=True)
def made_up_versions(monkeypatch):
    monkeypatch.setattr(migrations, "MIGRATIONS", MADE_UP)


def as_older(folder: Path, version: str, column: str, word: str) -> None:
    """Rewrite a session of today as the older version would have written it."""
    meta = json.loads((folder / "session.json").read_text())
    meta[word] = meta.pop("object")
    del meta["licence"]
    (folder / "session.json").write_text(json.dumps(meta | {"version": version}))
    root = zarr.open_group(folder / "session.zarr", mode="a")
    digests = dict(root.attrs["digests"])
    digests["allegro"][column] = digests["allegro"].pop("position")
    root.update_attributes({"version": version, "digests": digests})
    group = root["streams/allegro"]
    (folder / "session.zarr/streams/allegro/position").rename(folder / f"session.zarr/streams/allegro/{column}")
    units, frame = dict(group.attrs["units"]), dict(group.attrs["frame"])
    units = {column if key == "position" else key: unit for key, unit in units.items()}
    group.update_attributes({"units": units, "frame": frame})


def log_as_older(folder: Path, column: str) -> None:
    """Rewrite the log of today as the older version would have written it."""
    log, older = folder / "wal" / "000000.wal", b""
    content = log.read_bytes()
    while content:
        _, number, _, rows, length, _ = HEADER.unpack(content[: HEADER.size])
        payload, content = content[HEADER.size : HEADER.size + length], content[HEADER.size + length :]
        if number == SCHEMA_STREAM:
            payload = payload.replace(b'"position"', f'"{column}"'.encode())
        older += frame_header(number, rows, payload) + payload
    log.write_bytes(older)


def digests(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("version", "column", "word"), [("0.9.0", "angle", "thing"), ("0.8.3", "q", "what")])
def test_an_older_session_reads_like_one_of_today(record, version, column, word):
    folder = seal_session(record(seconds=0.5))
    wanted = open_session(folder).streams["allegro"]["position"]
    as_older(folder, version, column, word)
    before = digests(folder)
    session = open_session(folder)
    joints = session.streams["allegro"]
    assert (session.meta["object"], session.meta["licence"], session.meta["version"]) == ("can", "unspecified", "1.0.0")
    assert session.meta["migrated_from"] == version
    assert "position" in joints.fields and column not in joints.fields
    assert joints.attributes["units"]["position"] == "rad"
    np.testing.assert_array_equal(joints["position"], wanted)
    np.testing.assert_array_equal(joints.read("position", 5, 9), wanted[5:9])
    with pytest.raises(SessionError, match="no such field"):
        joints.read(column)
    assert digests(folder) == before


def test_a_log_that_was_left_by_an_older_release_is_read_too(record):
    folder = record(seconds=0.5)
    meta = json.loads((folder / "session.json").read_text())
    meta["thing"] = meta.pop("object")
    (folder / "session.json").write_text(json.dumps(meta | {"version": "0.9.0"}))
    log_as_older(folder, "angle")
    live = open_session(folder)
    wanted = live.streams["allegro"]["position"]
    assert live.meta["object"] == "can" and "angle" not in live.streams["allegro"].fields

    sealed = open_session(seal_session(folder))  # what was recorded stays of the older version
    root = zarr.open_group(sealed.path / "session.zarr", mode="r")
    assert (root.attrs["version"], sealed.meta["migrated_from"]) == ("0.9.0", "0.9.0")
    assert "angle" in root["streams/allegro"] and "position" not in root["streams/allegro"]
    np.testing.assert_array_equal(sealed.streams["allegro"]["position"], wanted)


@pytest.mark.parametrize(("version", "column", "word"), [("0.9.0", "angle", "thing"), ("0.8.3", "q", "what")])
def test_an_older_session_is_packed_under_names_of_today(record, tmp_path, version, column, word):
    folder = seal_session(record(seconds=0.5))
    wanted = open_session(folder)
    position, known = wanted.streams["allegro"]["position"], wanted.digests
    as_older(folder, version, column, word)
    assert open_session(folder).digests == known
    packed = open_session(pack_session(folder, tmp_path / "pack"))
    np.testing.assert_array_equal(packed.streams["allegro"]["position"], position)
    assert packed.digests == known and packed.meta["object"] == "can"


def test_the_check_says_that_a_session_is_older(record):
    folder = seal_session(record(seconds=0.5))
    meta = json.loads((folder / "session.json").read_text())
    meta["thing"] = meta.pop("object")
    (folder / "session.json").write_text(json.dumps(meta | {"version": "0.9.0"}))
    notes = [finding for finding in check_session(folder).findings if finding.fault == "schema"]
    assert [(note.severity, note.where) for note in notes] == [("note", "session.json")]
    assert "written as schema 0.9.0 and read as 1.0.0" in notes[0].text


def test_a_description_of_today_is_left_alone_and_none_is_changed_in_place():
    today = {"version": "1.0.0", "object": "can"}
    assert migrate_description(today) is today
    older = {"version": "0.8.0", "what": "can"}
    assert migrate_description(older)["object"] == "can"
    assert older == {"version": "0.8.0", "what": "can"}


def test_a_newer_version_is_still_refused(record):
    folder = record(seconds=0.3)
    meta = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps(meta | {"version": "2.0.0"}))
    with pytest.raises(SessionError, match="update skin-teleop"):
        open_session(folder)


def test_no_migration_waits_for_a_version_that_is_still_to_come(monkeypatch):
    monkeypatch.undo()
    assert [m.version for m in migrations.MIGRATIONS] == sorted(m.version for m in migrations.MIGRATIONS)
