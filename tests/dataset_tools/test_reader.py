from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_tools.events import marked_spans
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_log import SessionLog
from dataset_tools.statistics import session_statistics
from dataset_tools.stream_facts import stream_attributes
from dataset_tools.stream_tally import MAX_GAPS_LISTED, StreamTally
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.messages import WristTarget
from skin_teleop.rig import load_rig

T0_NS = NS_PER_S


@pytest.fixture(params=["live", "sealed"])
def session(request, record):
    """The same session read from its log and from its store."""
    live = record(seconds=3.0, drops={"uskin": 2}, marks=((0.2, "rest", "begin"), (1.1, "rest", "end")))
    return open_session(live if request.param == "live" else seal_session(live))


def test_one_interface_for_live_and_sealed(session):
    assert set(session.streams) == {"uskin", "truth", "allegro", "hand_pose", "events"}
    uskin = session.streams["uskin"]
    assert uskin.fields == ("t_dev", "t_mono", "t_wall", "seq", "flags", "flux", "age_ms")
    assert uskin.rows == 300 and uskin.name == "uskin"
    assert uskin["flux"].shape == (300, 368, 3) and uskin["flux"].dtype == np.uint16
    assert uskin["seq"].tolist() == list(range(300))
    assert uskin.t_mono is uskin.t_mono
    assert uskin.t_mono[0] == T0_NS and uskin.t_mono.dtype == np.int64
    position = session.streams["allegro"].read("position", 990, 2000)
    assert position.shape == (9, 16) and position[:, 0].tolist() == list(range(990, 999))
    assert session.streams["allegro"].read("seq", -2).tolist() == [997, 998]
    assert session.streams["allegro"].read("seq", 5, 3).shape == (0,)


def test_attributes_are_the_same_before_and_after_the_seal(record):
    live = record(seconds=1.5, drops={"uskin": 2})
    before = {name: stream.attributes for name, stream in open_session(live).streams.items()}
    after = {name: dict(stream.attributes) for name, stream in open_session(seal_session(live)).streams.items()}
    assert after == {name: attributes | {"name": name} for name, attributes in before.items()}


def test_session_facts(session):
    assert session.meta["object"] == "can" and session.meta["operator"] == "p1"
    assert session.status == ("sealed" if session.path.suffix != ".rec" else "stopped")
    assert session.realtime_factor == pytest.approx(0.8)
    assert session.rest_span_ns == (T0_NS + 200_000_000, T0_NS + 1_100_000_000)
    marks = [(t, facts) for t, name, facts in session.events() if name == "mark"]
    assert marks[0] == (T0_NS + 200_000_000, {"label": "rest", "edge": "begin"})


def test_statistics(session):
    figures = session_statistics(session)
    assert figures["uskin"].rows == 300 and figures["uskin"].dropped == 2
    assert figures["uskin"].measured_hz == pytest.approx(100)
    assert figures["uskin"].nominal_hz == 100
    assert figures["uskin"].max_gap_ms == pytest.approx(10)
    assert figures["events"].nominal_hz == 0


def test_an_unknown_field_names_the_known_ones(session):
    with pytest.raises(SessionError, match=r"stream uskin was asked for 'force'; .*allowed: t_dev, .*flux, age_ms"):
        session.streams["uskin"]["force"]


def test_a_live_session_grows(rig):
    row = bytearray(WristTarget.row_dtype().itemsize)

    def add(k: int) -> None:
        row[8:16], row[24:28] = (k * 1000).to_bytes(8, "little"), k.to_bytes(4, "little")
        log.add_packed("WristTarget", "wrist", bytes(row))
        log.flush()

    with SessionLog.create(Path(rig.recorder.folder), rig) as log:
        add(1)
        session = open_session(log.folder)
        assert session.status == "recording"
        assert session.streams["wrist"].t_mono.tolist() == [1000]
        add(2)
        add(3)
        assert session.streams["wrist"].rows == 1
        session.refresh()
        assert session.streams["wrist"]["seq"].tolist() == [1, 2, 3]
        assert session.streams["wrist"].t_mono.tolist() == [1000, 2000, 3000]


def test_a_session_that_was_sealed_meanwhile_says_so(record):
    live = record(seconds=0.5)
    session = open_session(live)
    sealed = seal_session(live)
    with pytest.raises(SessionError, match=rf"sealed or moved meanwhile; next: open {sealed}"):
        session.streams["uskin"]["flux"]


def test_a_recorder_that_died_shows_as_interrupted(record):
    live = record(seconds=0.5)
    meta = json.loads((live / "session.json").read_text())
    (live / "session.json").write_text(json.dumps(meta | {"status": "recording"}))
    assert open_session(live).status == "interrupted"
    assert json.loads((seal_session(live) / "session.json").read_text())["interrupted"] is True


def test_outside_simulation_there_is_no_factor(record):
    session = open_session(record(seconds=0.5))
    without_truth = {name: stream for name, stream in session.streams.items() if name != "truth"}
    session.streams = without_truth
    assert session.realtime_factor is None
    assert session.rest_span_ns is None


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: shutil.rmtree(folder), r"was asked for; found: no such folder; next: skin-teleop sessions"),
        (lambda folder: (folder / "session.json").unlink(), "no readable session.json"),
        (lambda folder: (folder / "session.json").write_text("[1"), "no readable session.json"),
        (lambda folder: (folder / "session.json").write_text('{"schema": "x"}'), "does not describe a session"),
        (lambda folder: shutil.rmtree(folder / "wal"), r"holds no data; .*allowed: session.zarr \(sealed\) or wal"),
        (
            lambda folder: (folder / "session.json").write_text(
                '{"schema": "skin_teleop.session", "version": "2.0.0"}'
            ),
            r"schema version 2.0.0; found: this release is older; allowed: up to 1.0.0; next: update skin-teleop",
        ),
    ],
)
def test_what_cannot_be_opened_says_why(record, damage, text):
    live = record(seconds=0.3)
    damage(live)
    with pytest.raises(SessionError, match=text):
        open_session(live)


def test_the_sealed_twin_is_named(record):
    live = record(seconds=0.3)
    sealed = seal_session(live)
    with pytest.raises(SessionError, match=f"next: open {sealed}"):
        open_session(live)


def test_an_empty_session_opens(rig):
    with SessionLog.create(Path(rig.recorder.folder), rig) as log:
        pass
    sealed = seal_session(log.folder)
    session = open_session(sealed)
    assert set(session.streams) == {"events"}
    assert session.realtime_factor is None


def test_marks_enclose_spans():
    def mark(t: int, label: str, edge: str) -> tuple[int, str, dict[str, str]]:
        return (t, "mark", {"label": label, "edge": edge})

    events = [
        mark(1, "squeeze", "begin"),
        mark(2, "rest", ""),
        (3, "armed", {}),
        mark(4, "squeeze", "end"),
        mark(5, "slide", "end"),  # never begun
        mark(6, "wiping", "begin"),
        mark(7, "wiping", "begin"),
        mark(7, "wiping", "end"),  # empty
        mark(8, "pressing", "begin"),
    ]
    spans = marked_spans(events, session_end_ns=10)
    assert [(span.label, span.start_ns, span.end_ns, span.closed) for span in spans] == [
        ("squeeze", 1, 4, True),
        ("rest", 2, 10, True),
        ("wiping", 6, 7, True),
        ("pressing", 8, 10, False),
    ]


def test_listed_gaps_are_bounded():
    tally = StreamTally(nominal_hz=100.0)
    stamps = np.arange(3000, dtype=np.int64) * 100_000_000
    for part in np.split(stamps, 10):
        tally.add(part)
    assert tally.gap_count == 2999 and len(tally.gaps) == MAX_GAPS_LISTED
    assert tally.gaps[-1] == [99_900_000_000, 100_000_000_000]
    assert tally.rows == 3000 and tally.measured_hz == pytest.approx(10)


@given(st.lists(st.integers(1, 40_000_000), min_size=3, max_size=200), st.integers(1, 5))
def test_jitter_is_the_departure_from_the_nominal_period_however_the_rows_are_batched(steps_ns, parts):
    stamps = np.cumsum([0, *steps_ns]).astype(np.int64)
    whole, split = StreamTally(nominal_hz=100.0), StreamTally(nominal_hz=100.0)
    whole.add(stamps)
    for part in np.array_split(stamps, parts):
        if len(part):
            split.add(part)
    departures_ms = np.sort(np.abs(np.array(steps_ns) - 10_000_000)) / 1e6
    for percent in (50, 99):
        expected_ms = departures_ms[int(np.ceil(len(steps_ns) * percent / 100)) - 1]
        assert expected_ms <= whole.jitter_ms(percent) <= expected_ms + 0.011
        assert split.jitter_ms(percent) == whole.jitter_ms(percent)


def test_jitter_is_told_where_a_stream_has_a_rate():
    tally = StreamTally(nominal_hz=100.0)
    tally.add(np.array([0, 10_000_000, 20_000_000, 32_500_000, 40_000_000, 200_000_000], dtype=np.int64))
    told = tally.attributes(0)
    assert (told["jitter_ms_p50"], told["jitter_ms_p99"]) == (2.51, 100.0)  # upper edges; the last bin is open
    assert "jitter_ms_p50" not in StreamTally(nominal_hz=0.0).attributes(0)
    assert StreamTally(nominal_hz=5.0).attributes(0)["jitter_ms_p99"] == 0.0


@pytest.mark.parametrize(
    ("interface", "source"),
    [("socketcan", "kernel"), ("udp_multicast", "kernel"), ("skin_teleop_local", "sender"), ("slcan", "host")],
)
def test_a_stream_says_what_stamps_it_carries(interface, source):
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, can_interface=interface))
    assert stream_attributes("JointState", rig)["stamp_source"] == source
    assert stream_attributes("SkinFrame", rig)["stamp_source"] == "tick"
    assert stream_attributes("HandPose", rig)["stamp_source"] == "host"


def test_a_streams_name_says_which_of_two_hands_and_skins_it_is_of() -> None:
    rig = load_rig("simulated_two_hands")
    second = dataclasses.replace(rig.hands["second_hand"], can_interface="socketcan", period_ms=2)
    skin = dataclasses.replace(rig.skins["second_skin"], tick_hz=50)
    rig = dataclasses.replace(rig, second_hand=second, second_skin=skin)
    first, other = (stream_attributes("JointState", rig, name) for name in ("allegro", "allegro_left"))
    assert [first["nominal_hz"], other["nominal_hz"]] == [pytest.approx(1000 / 3), 500]
    assert [first["stamp_source"], other["stamp_source"]] == ["sender", "kernel"]
    assert [stream_attributes("SkinFrame", rig, name)["nominal_hz"] for name in ("uskin", "uskin_left")] == [100, 50]
