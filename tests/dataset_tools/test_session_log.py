from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.reader import open_session
from dataset_tools.session_folder import is_live, locked, new_session_id
from dataset_tools.session_log import MAX_STREAMS, SessionLog
from skin_teleop.errors import SessionError, WireError
from skin_teleop.messages import Event, WristTarget

ROW = bytes(WristTarget.row_dtype().itemsize)


@pytest.fixture
def log(rig):
    session = SessionLog.create(Path(rig.recorder.folder), rig, object_name="can", plan=("squeeze",), operator="p7")
    yield session
    if is_live(session.folder):
        session.close()


def test_a_session_is_described_from_its_first_moment(rig, log):
    meta = json.loads((log.folder / "session.json").read_text())
    assert meta["schema"] == "skin_teleop.session" and meta["version"] == "1.0.0"
    assert (meta["object"], meta["plan"], meta["operator"], meta["status"]) == ("can", ["squeeze"], "p7", "recording")
    assert meta["rig"]["skin"]["layout"] == "xela_ah_right" and meta["simulated"] is True
    assert {"python", "numpy", "zarr"} <= meta["software"].keys()
    assert log.folder.name == meta["id"] + ".rec"
    assert [path.name for path in log.folder.parent.iterdir()] == [log.folder.name]


def test_names_are_safe_for_folders():
    session_id = new_session_id("../ my rig\n/5")
    assert "/" not in session_id and "\n" not in session_id and " " not in session_id
    assert session_id.split("_")[0].endswith("Z")


def test_a_live_session_is_locked_until_it_is_closed(log):
    assert is_live(log.folder)
    with pytest.raises(SessionError, match=r"found: a recorder or a seal works on it; next: stop the recording"):
        locked(log.folder).__enter__()
    log.close()
    assert not is_live(log.folder)
    assert json.loads((log.folder / "session.json").read_text())["status"] == "stopped"


@pytest.mark.parametrize(
    ("kind", "stream", "row", "text"),
    [
        ("WristTarget", "../../evil", ROW, "new stream"),
        ("WristTarget", "Wrist", ROW, "new stream"),
        ("WristTarget", "", ROW, "new stream"),
        ("RecorderStatus", "wrist2", ROW, "new stream"),
        ("WristTarget", "wrist", ROW[:-1], "found: WristTarget of 56 bytes; allowed: 57 bytes"),
        ("JointState", "wrist", ROW, "stream wrist holds rows of WristTarget"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(log, kind, stream, row, text):
    log.add_packed("WristTarget", "wrist", ROW)
    with pytest.raises(WireError, match=text):
        log.add_packed(kind, stream, row)
    assert log.rows["wrist"] == 1 and set(log.rows) == {"wrist", "events"}


def test_the_number_of_streams_is_bounded(log):
    for k in range(MAX_STREAMS - 1):
        log.add_packed("WristTarget", f"wrist_{k}", ROW)
    with pytest.raises(WireError, match="at most 64 streams"):
        log.add_packed("WristTarget", "one_more", ROW)


def test_drops_survive_as_events(log):
    log.add_packed("WristTarget", "wrist", ROW)
    log.add_drops("wrist", 3)
    log.flush()
    log.flush()
    log.add_drops("wrist", 4)
    log.flush()
    session = open_session(log.folder)
    told = [facts for _, name, facts in session.events() if name == "dropped"]
    assert told == [{"stream": "wrist", "dropped": 3}, {"stream": "wrist", "dropped": 7}]
    assert session.streams["wrist"].attributes["dropped"] == 7


def test_an_event_too_long_for_its_row_is_refused(log):
    with pytest.raises(WireError, match="too much text"):
        log.add_event("mark", label="x" * 2000)
    log.close()
    assert [name for _, name, _ in open_session(log.folder).events()] == ["session_started", "session_stopped"]


def test_a_session_whose_object_has_too_long_a_name_leaves_nothing(rig):
    folder = Path(rig.recorder.folder)
    folder.mkdir()
    with pytest.raises(WireError, match="too much text"):
        SessionLog.create(folder, rig, object_name="o" * 1100)
    assert list(folder.iterdir()) == []


def test_only_what_cannot_be_made_again_follows_its_rows_to_the_disk(rig, monkeypatch, wait_factor):
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, sync_ms=20))
    syncs, fdatasync = [], os.fdatasync
    monkeypatch.setattr("dataset_tools.wal_sync.os.fdatasync", lambda file: (syncs.append(file), fdatasync(file)))
    with SessionLog.create(Path(rig.recorder.folder), rig, live=False) as offline:
        offline.add_packed("WristTarget", "wrist", ROW)
        offline.flush()
        time.sleep(0.1)
        assert syncs == []
    assert len(syncs) == 1
    with SessionLog.create(Path(rig.recorder.folder), rig) as live:
        live.flush()
        deadline = time.monotonic() + 10 * wait_factor
        while len(syncs) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(syncs) >= 3


def test_a_session_needs_free_space(rig):
    full = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=1e9))
    with pytest.raises(SessionError, match=r"needs 1e\+09 GB of free space; found: .* GB; next: free some space"):
        SessionLog.create(Path(full.recorder.folder), full)


def test_a_folder_that_is_a_file_is_told(rig, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match=r"cannot start a session in .*file"):
        SessionLog.create(tmp_path / "file" / "sessions", rig)


def test_events_know_unreadable_text(log):
    garbage = dataclasses.replace(Event.now("mark", 0), text=np.full(1024, 0xFF, np.uint8))
    log.add(garbage, "events")
    log.flush()
    assert [(name, facts) for _, name, facts in open_session(log.folder).events()][1] == ("mark", {})
