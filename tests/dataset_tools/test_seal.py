from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from dataset_tools.durable import rename_durably
from dataset_tools.reader import open_session
from dataset_tools.seal import VERIFIED_LOG_FOLDER, seal_session
from dataset_tools.session_folder import change_meta, locked
from dataset_tools.session_log import SessionLog
from dataset_tools.store_layout import SHARD_UNITS, StoreLayout
from skin_teleop.errors import SessionError
from skin_teleop.messages import ClockSample
from skin_teleop.skin_layout import skin_layout


def contents(session: Path) -> dict[str, bytes]:
    """Every column of every stream, as bytes."""
    streams = open_session(session).streams
    return {f"{name}/{field}": stream[field].tobytes() for name, stream in streams.items() for field in stream.fields}


def test_a_sealed_session_holds_what_was_recorded(record):
    live = record()
    before = contents(live)
    sealed = seal_session(live)
    assert sealed == live.with_name(live.name.removesuffix(".rec"))
    assert contents(sealed) == before
    assert sorted(path.name for path in sealed.iterdir()) == ["MANIFEST.sha256", "session.json", "session.zarr"]
    meta = json.loads((sealed / "session.json").read_text())
    assert meta["status"] == "sealed" and meta["interrupted"] is False and meta["log_damage"] == []
    assert meta["rows"] == {"uskin": 300, "truth": 300, "allegro": 999, "hand_pose": 216, "events": 2}


def test_plain_zarr_reads_the_layout(record):
    root = zarr.open(str(seal_session(record(drops={"allegro": 4})) / "session.zarr"), mode="r")
    uskin = root["streams"]["uskin"]
    assert uskin["flux"].shape == (300, 368, 3) and uskin["flux"].dtype == np.uint16
    assert uskin["flux"].chunks == (100, 368, 3) and uskin["flux"].shards == (300, 368, 3)
    assert uskin["age_ms"].shape == (300, 368)
    assert root["streams/allegro/position"].dtype == np.float32 and root["streams/allegro/position"].shape == (999, 16)
    assert root["streams/hand_pose/pose"].shape == (216, 2, 25, 7)
    assert root["streams/hand_pose/valid"].dtype == np.uint8
    for stamp, dtype in (("t_dev", "i8"), ("t_mono", "i8"), ("t_wall", "i8"), ("seq", "u4"), ("flags", "u1")):
        assert uskin[stamp].dtype == np.dtype(dtype) and uskin[stamp].shape == (300,)
    assert np.all(np.diff(uskin["t_mono"][:]) == 10_000_000)
    assert root.attrs["schema"] == "skin_teleop.session" and root.attrs["rows"]["uskin"] == 300
    facts = dict(root["streams/allegro"].attrs)
    assert facts["nominal_hz"] == pytest.approx(1000 / 3)
    assert facts["measured_hz"] == pytest.approx(333, rel=1e-3)
    assert facts["units"]["position"] == "rad" and facts["dropped"] == 4 and facts["gaps"] == []
    assert uskin.attrs["frame"] == {"flux": "taxel (z outward)"}
    assert {"source", "clock", "latency_ns", "out_of_order", "rows"} <= facts.keys()


def test_the_taxels_are_stored_beside_their_data(record):
    static = zarr.open(str(seal_session(record()) / "session.zarr"), mode="r")["static"]
    layout = skin_layout()
    assert static["taxel_position_vendor"].dtype == np.float32
    np.testing.assert_allclose(static["taxel_position_sparsh"][:], layout.positions_m["sparsh"], atol=1e-7)
    assert static["taxel_link"].dtype == np.int8 and static["taxel_link"][:].min() == -1
    assert static["taxel_pad"].dtype == np.uint8 and static["vendor_flat"].dtype == np.uint16
    assert sorted(static["vendor_flat"][:]) == list(range(368))
    assert static.attrs["taxel_layout_id"] == "xela_ah_right" and static.attrs["pairing"] == "assumed"
    assert static.attrs["finger_joint1_z_m"] == 0.0204


def test_clock_samples_have_their_own_group(rig):
    with SessionLog.create(Path(rig.recorder.folder), rig) as log:
        row = np.zeros((), ClockSample.row_dtype())
        row["t_mono"], row["rtt"] = 5, 77
        log.add_packed("ClockSample", "clock_uskin", row.tobytes())
    sealed = seal_session(log.folder)
    root = zarr.open(str(sealed / "session.zarr"), mode="r")
    assert root["clock/uskin/rtt"][:].tolist() == [77]
    assert open_session(sealed).streams["clock_uskin"]["rtt"].tolist() == [77]


def test_the_manifest_passes_sha256sum_and_notices_a_change(record):
    sealed = seal_session(record(seconds=1.5))
    check = ["sha256sum", "--check", "--quiet", "MANIFEST.sha256"]
    assert subprocess.run(check, cwd=sealed, check=False).returncode == 0
    shard = next(path for path in (sealed / "session.zarr/streams/uskin/flux/c").rglob("*") if path.is_file())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert subprocess.run(check, cwd=sealed, check=False, capture_output=True).returncode == 1


def test_a_second_seal_changes_nothing(record):
    live = record(seconds=1.5)
    sealed = seal_session(live)
    before = {path: path.stat().st_mtime_ns for path in sealed.rglob("*")}
    assert seal_session(sealed) == sealed
    assert seal_session(live) == sealed
    assert {path: path.stat().st_mtime_ns for path in sealed.rglob("*")} == before


def test_the_log_can_be_kept(record):
    sealed = seal_session(record(seconds=1.5), keep_wal=True)
    assert (sealed / "wal" / "000000.wal").is_file()
    assert (sealed / "session.zarr").is_dir()


def test_gaps_and_disorder_are_told_not_repaired(rig):
    stamps = [0, 10, 20, 90, 100, 95, 110]  # ms; at 100 Hz more than 50 ms is a gap
    with SessionLog.create(Path(rig.recorder.folder), rig) as log:
        row = bytearray(2973)
        for t_ms in stamps:
            row[8:16] = (t_ms * 1_000_000).to_bytes(8, "little")
            log.add_packed("SkinFrame", "uskin", bytes(row))
    stream = open_session(seal_session(log.folder)).streams["uskin"]
    assert (stream.t_mono // 1_000_000).tolist() == stamps
    assert stream.attributes["gaps"] == [[20_000_000, 90_000_000]]
    assert stream.attributes["gap_count"] == 1 and stream.attributes["out_of_order"] == 1


def test_a_torn_tail_is_reported_and_the_rest_sealed(record):
    live = record(seconds=1.5)
    log = live / "wal" / "000000.wal"
    os.truncate(log, log.stat().st_size - 10)
    sealed = seal_session(live)
    (damage,) = json.loads((sealed / "session.json").read_text())["log_damage"]
    assert damage["reason"] == "the last frame is cut short" and damage["lost_bytes"] > 0
    assert not (sealed / "wal").exists()


def test_damage_before_the_last_file_keeps_the_log(record):
    live = record(seconds=1.5)
    whole = (live / "wal" / "000000.wal").read_bytes()
    (live / "wal" / "000001.wal").write_bytes(whole)
    (live / "wal" / "000000.wal").write_bytes(whole[:-1000])
    sealed = seal_session(live)
    assert (sealed / "wal" / "000000.wal").is_file()
    assert json.loads((sealed / "session.json").read_text())["log_damage"][0]["file"] == "000000.wal"


@pytest.mark.parametrize("named", ["dot", "link"])
def test_a_session_is_sealed_under_its_own_name_whatever_it_is_called_by(record, tmp_path, monkeypatch, named):
    live = record(seconds=0.5)
    (tmp_path / "newest").symlink_to(live)
    monkeypatch.chdir(live)
    assert seal_session(Path() if named == "dot" else tmp_path / "newest") == live.with_suffix("")
    assert live.with_suffix("").is_dir() and not live.exists()


def test_a_store_that_differs_from_a_whole_log_is_put_aside_and_built_anew(record):
    live = record(seconds=1.5)
    before = contents(live)
    sealed = seal_session(live, keep_wal=True)
    array = zarr.open(str(sealed / "session.zarr"), mode="r+")["streams/allegro/position"]
    array[7, 3] = 99.0
    rename_durably(sealed, live)
    with pytest.raises(SessionError, match=r"and its log differ; found: allegro/position does not match"):
        seal_session(live)
    assert contents(seal_session(live)) == before
    assert len(list(sealed.glob("session.zarr.aside-*"))) == 1


def test_a_seal_that_was_cut_at_any_step_is_finished(record):
    live = record(seconds=1.5)
    before = contents(live)
    (live / "session.zarr.tmp-0123abcd").mkdir()
    (live / "session.zarr.tmp-0123abcd" / "zarr.json").write_text("{")
    sealed = seal_session(live, keep_wal=True)
    assert not list(sealed.glob("*.tmp-*"))
    steps = {
        "store published": lambda: change_meta(live, status="stopped"),
        "described as sealed": lambda: None,
        "log verified": lambda: (live / "wal").rename(live / VERIFIED_LOG_FOLDER),
        "log partly deleted": lambda: ((live / VERIFIED_LOG_FOLDER).mkdir(), shutil.rmtree(live / "wal", True)),
    }
    for step, arrange in steps.items():
        sealed.rename(live)
        arrange()
        assert seal_session(live, keep_wal=True) == sealed, step
        assert contents(sealed) == before, step
        assert not (sealed / VERIFIED_LOG_FOLDER).exists(), step
        assert json.loads((sealed / "session.json").read_text())["status"] == "sealed", step


SEAL_IN_A_PROCESS = """
import sys
from pathlib import Path
from dataset_tools.seal import seal_session
print("begin", flush=True)
seal_session(Path(sys.argv[1]))
print("end", flush=True)
"""


def test_a_kill_during_the_seal_costs_nothing(record, tmp_path):
    original = record(seconds=2.0)
    expected = contents(original)
    rng, killed = random.Random(4), 0
    kills = int(os.environ.get("SKIN_TELEOP_KILLS", "6"))  # 100 for the long run
    for k in range(kills):
        live = tmp_path / f"copy{k}.rec"
        shutil.copytree(original, live)
        process = subprocess.Popen(
            [sys.executable, "-c", SEAL_IN_A_PROCESS, str(live)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "begin\n"
        time.sleep(rng.uniform(0.0, 0.6))
        process.kill()
        killed += process.stdout.read() == ""
        process.wait()
        process.stdout.close()
        store = live / "session.zarr"
        if store.is_dir():
            assert set(zarr.open(str(store), mode="r").attrs["rows"]) == {
                "allegro",
                "events",
                "hand_pose",
                "truth",
                "uskin",
            }
        sealed = seal_session(live)
        assert contents(sealed) == expected
        assert not list(sealed.glob("*.tmp-*")) and not (sealed / "wal").exists()
    assert killed >= 1
    print(f"\n{kills} kills aimed at the seal, {killed} hit it: 0 corrupt, 0 rows lost")


def test_a_session_that_is_being_recorded_is_left_alone(record):
    live = record(seconds=0.5)
    with locked(live), pytest.raises(SessionError, match="cannot be changed now"):
        seal_session(live)
    assert (live / "wal" / "000000.wal").is_file()


def test_what_cannot_be_sealed_says_why(tmp_path, record):
    with pytest.raises(SessionError, match=r"cannot be sealed; found: no such folder"):
        seal_session(tmp_path / "nothing.rec")
    live = record(seconds=0.5)
    shutil.rmtree(live / "wal")
    with pytest.raises(SessionError, match=r"holds no data; allowed: a wal or session\.zarr folder"):
        seal_session(live)
    live.with_name(live.name.removesuffix(".rec")).mkdir()
    with pytest.raises(SessionError, match="exists already"):
        seal_session(live)


@pytest.mark.parametrize(("rows", "hz"), [(1, 0.0), (59, 1.0), (2000, 100.0), (30_000, 100.0), (100_001, 333.3)])
def test_shards_hold_whole_chunks_and_spans_hold_all_rows(rows, hz):
    layout = StoreLayout.of(rows, hz)
    spans = list(layout.spans())
    assert spans[0][0] == 0 and spans[-1][1] == rows
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    for row_bytes in (1, 8, 64, 256, 2208, 4416):
        chunk, shard = layout.column(row_bytes)
        assert shard % chunk == 0
        assert shard <= SHARD_UNITS * layout.unit_rows or len(spans) == 1
        assert len(spans) == 1 or spans[0][1] == shard


def test_a_large_row_has_chunks_of_one_second():
    assert StoreLayout.of(60_000, 100.0).column(2208) == (100, 30_000)
    assert StoreLayout.of(100_000, 1000 / 3).column(64) == (4 * 333, 300 * 333)
    assert StoreLayout.of(60_000, 100.0).column(8) == (100 * 100, 30_000)
