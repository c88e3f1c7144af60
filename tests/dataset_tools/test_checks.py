"""Every fault that was put into a good session on purpose must be found, and a good session must pass."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from dataset_tools.checks.session import check_session
from dataset_tools.labels import LabelStore
from dataset_tools.manifest import write_manifest
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_log import SessionLog
from skin_teleop.cli.main import main
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import JointState, Sample, SkinFrame

Rows = np.ndarray


def rows_of(kind: type[Sample], count: int, hz: float) -> Rows:
    rows = np.zeros(count, kind.row_dtype())
    rows["t_mono"] = NS_PER_S + (np.arange(count) * NS_PER_S / hz).astype(np.int64)
    rows["t_wall"], rows["t_dev"], rows["seq"] = rows["t_mono"] + 10**18, rows["t_mono"] - 7, np.arange(count)
    if kind is SkinFrame:
        rows["flux"] = 33_000 + np.random.default_rng(1).integers(-3, 4, rows["flux"].shape)
    return rows


@pytest.fixture
def sealed_with(rig) -> Callable[..., Path]:
    """Seal a session of skin and joints after a fault was put into the rows of one stream."""

    def build(stream: str = "", fault: Callable[[Rows], Rows] = lambda rows: rows) -> Path:
        streams = {"uskin": rows_of(SkinFrame, 200, 100.0), "allegro": rows_of(JointState, 600, 1000 / 3)}
        if stream:
            streams[stream] = fault(streams[stream])
        kinds = {"uskin": "SkinFrame", "allegro": "JointState"}
        with SessionLog.create(Path(rig.recorder.folder), rig, object_name="can") as log:
            for name, rows in streams.items():
                for batch in itertools.batched(rows, 40) if hasattr(itertools, "batched") else [rows]:
                    for row in batch:
                        log.add_packed(kinds[name], name, row.tobytes())
                    log.flush()
        return seal_session(log.folder)

    return build


def faults(session: Path, *severities: str) -> set[tuple[str, str]]:
    wanted = severities or ("error", "warning")
    return {(f.fault, f.where) for f in check_session(session).findings if f.severity in wanted}


def test_a_good_session_passes_and_says_so(sealed_with, capsys):
    session = sealed_with()
    assert faults(session) == set()
    assert main(["check", str(session), "--strict"]) == 0
    assert capsys.readouterr().out.startswith(f"{session}: passed\n")


def swapped(rows: Rows) -> Rows:
    rows[[100, 101]] = rows[[101, 100]]
    return rows


def with_gap(rows: Rows) -> Rows:
    return np.delete(rows, slice(90, 110))


def jumped(rows: Rows) -> Rows:
    rows["t_mono"][150:] += 5 * NS_PER_S
    return rows


def duplicated(rows: Rows) -> Rows:
    return np.insert(rows, 60, rows[60:63])


def device_jumped(rows: Rows) -> Rows:
    rows["t_dev"][150:] -= 3 * NS_PER_S
    return rows


def not_finite(rows: Rows) -> Rows:
    rows["position"][77, 3] = np.nan
    return rows


@pytest.mark.parametrize("stream", ["uskin", "allegro"])
@pytest.mark.parametrize(
    ("fault", "word"),
    [(swapped, "swap"), (jumped, "clock jump"), (device_jumped, "clock jump"), (duplicated, "duplicate")],
)
def test_faults_in_time_are_found_in_every_stream(sealed_with, stream, fault, word):
    assert (word, stream) in faults(sealed_with(stream, fault), "error")


def test_a_gap_is_an_error_where_rows_are_missing(sealed_with):
    assert ("gap", "uskin") in faults(sealed_with("uskin", with_gap), "error")
    found = check_session(sealed_with("allegro", with_gap)).findings
    assert any("20 rows missing at 1 place, first after row 89" in finding.text for finding in found)


def test_a_pause_without_missing_rows_is_a_warning(sealed_with):
    def late(rows: Rows) -> Rows:
        for stamp in ("t_mono", "t_wall", "t_dev"):
            rows[stamp][300:] += 40_000_000
        return rows

    session = sealed_with("allegro", late)
    assert faults(session, "error") == set() and ("gap", "allegro") in faults(session)
    assert main(["check", str(session)]) == 0
    assert main(["check", str(session), "--strict"]) == 1


def test_a_device_that_counts_on_between_ticks_is_no_fault(sealed_with):
    def sampled(rows: Rows) -> Rows:
        rows["seq"] = np.arange(len(rows)) * 8 // 5
        return rows

    assert faults(sealed_with("uskin", sampled)) == set()


def test_values_that_are_no_numbers_and_bad_taxels_are_named(sealed_with):
    assert ("not a number", "allegro/position") in faults(sealed_with("allegro", not_finite), "error")

    def bad_skin(rows: Rows) -> Rows:
        rows["flux"][:, 104] = 33_000
        rows["flux"][5, 145, 2] = 65_000
        rows["age_ms"][:50, 7] = 2000
        return rows

    texts = [finding.text for finding in check_session(sealed_with("uskin", bad_skin)).findings]
    assert "1 taxel never change: 104" in texts
    assert any(text.endswith("leave 20000 to 60000 counts: 145") for text in texts)
    assert any("older than 1000 ms" in text and text.endswith(": 7") for text in texts)


def shard(session: Path, field: str = "uskin/flux") -> Path:
    return next(p for p in sorted((session / "session.zarr/streams" / field / "c").rglob("*")) if p.is_file())


@pytest.mark.parametrize("hidden", [False, True], ids=["manifest as sealed", "manifest rewritten"])
def test_a_flipped_bit_and_a_cut_shard_are_found(sealed_with, hidden, tmp_path):
    whole = sealed_with()
    for k, damage in enumerate((lambda data: data[: len(data) // 2], flip_a_bit)):
        session = tmp_path / f"damaged{k}"
        shutil.copytree(whole, session)
        path = shard(session)
        path.write_bytes(damage(path.read_bytes()))
        if hidden:
            write_manifest(session)
        found = {fault for fault, _ in faults(session, "error")}
        assert found & {"unreadable", "digest"} and ("changed file" in found) is not hidden
        assert main(["check", str(session)]) == 1


@pytest.mark.parametrize("lost", ["uskin/t_mono", "uskin/seq", "truth/t_dev"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_column_that_cannot_be_read_is_a_finding_and_fails_no_listing(record, lost, damage, capsys):
    session = seal_session(record(seconds=0.5))
    if damage == "cut":
        path = shard(session, lost)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        shutil.rmtree(session / "session.zarr/streams" / lost)
    errors = faults(session, "error")
    assert ("unreadable" if damage == "cut" else "missing field", lost) in errors
    assert not {where for fault, where in errors if fault == "unreadable"} & {"allegro", "hand_pose", "session.json"}
    assert main(["check", str(session)]) == 1 and main(["sessions", str(session.parent)]) == 0
    assert str(session) in capsys.readouterr().out


def test_descriptions_that_do_not_fit_are_findings(sealed_with):
    session = sealed_with()
    group = session / "session.zarr/streams/allegro/zarr.json"
    described = json.loads(group.read_text())
    del described["attributes"]["nominal_hz"], described["attributes"]["dropped"]
    group.write_text(json.dumps(described))
    found = faults(session, "error")
    assert {("unreadable", "session.zarr"), ("unreadable", "session.json"), ("unreadable", "allegro")} <= found


def flip_a_bit(data: bytes) -> bytes:
    return data[:5000] + bytes([data[5000] ^ 4]) + data[5001:]


def test_foreign_lost_and_retyped_arrays_are_found(sealed_with):
    session = sealed_with()
    group = zarr.open_group(session / "session.zarr", mode="r+")["streams/allegro"]
    velocity = group["velocity"][:]
    del group["velocity"]
    group.create_array("velocity", data=velocity.astype(np.float64))
    shutil.rmtree(session / "session.zarr/streams/allegro/target")
    (session / "session.zarr" / "notes.txt").write_text("mine")
    found = faults(session, "error")
    assert {("dtype", "allegro/velocity"), ("missing field", "allegro/target")} <= found
    assert ("unknown file", "session.zarr/notes.txt") in found
    assert any(fault == "missing file" for fault, _ in found)


def test_an_array_that_is_too_short_is_found(sealed_with):
    session = sealed_with()
    zarr.open_group(session / "session.zarr", mode="r+")["streams/allegro/seq"].resize((599,))
    assert ("length", "allegro/seq") in faults(session, "error")


def test_labels_outside_the_session_are_found(sealed_with):
    session = sealed_with()
    store = LabelStore(open_session(session))
    label = store.add("slide", NS_PER_S + 10, 2 * NS_PER_S)
    row = json.loads((store.folder / "labels.jsonl").read_text())
    for change in ({"t_end_mono_ns": 10**18}, {"label": "juggling", "id": "b"}):
        with (store.folder / "labels.jsonl").open("a") as file:
            file.write(json.dumps(row | {"revision": 2} | change) + "\n{broken\n")
    assert label.id
    found = {fault for fault, _ in faults(session)}
    assert {"label bounds", "label word", "label line"} <= found


def test_what_cannot_be_opened_fails_alone(sealed_with, tmp_path, capsys):
    good = sealed_with()
    newer, foreign = tmp_path / "newer", tmp_path / "foreign"
    for copy in (newer, foreign):
        shutil.copytree(good, copy)
    meta = json.loads((newer / "session.json").read_text())
    (newer / "session.json").write_text(json.dumps(meta | {"version": "2.0.0"}))
    shutil.rmtree(foreign / "session.zarr")
    zarr.open_group(foreign / "session.zarr", mode="w").create_array("x", shape=(1,), dtype="f4")
    assert main(["check", str(newer), str(foreign), str(good), str(tmp_path / "no"), "--json"]) == 1
    reports = json.loads(capsys.readouterr().out)
    assert [report["passed"] for report in reports] == [False, False, True, False]
    assert "update skin-teleop" in reports[0]["findings"][0]["text"]
    assert "is no store of a session" in reports[1]["findings"][0]["text"]
    assert "no such folder" in reports[3]["findings"][0]["text"]


def test_the_page_holds_every_finding_and_escapes_it(sealed_with, tmp_path):
    page = tmp_path / "check.html"
    assert main(["check", str(sealed_with("allegro", with_gap)), str(tmp_path / "<b>"), "--html", str(page)]) == 1
    text = page.read_text()
    assert "0 of 2 sessions passed" in text and "sequence gap" in text and "&lt;b&gt;" in text and "<b>" not in text


def test_a_log_that_was_not_sealed_is_checked_too(record):
    live = record(seconds=1.5)
    assert faults(live, "error") == set()
