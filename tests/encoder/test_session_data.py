from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.labels import ACTIONS, Label
from encoder.session_data import load_recording, newest_at, passes_gate, rest_baseline, usable
from skin_teleop.errors import SessionError

TICK_NS = 10_000_000


def test_gate_keeps_the_limits_and_needs_all_three_axes():
    flux = np.full((1, 5, 3), 40_000, np.uint16)
    flux[0, 1, 0], flux[0, 2, 2], flux[0, 3, 1], flux[0, 4, 1] = 19_999, 60_001, 20_000, 60_000
    assert passes_gate(flux).tolist() == [[True, False, False, True, True]]


def test_a_value_that_arrived_more_than_a_second_ago_is_not_used(session):
    """The driver holds what a dead cable sent last: it passes the gate for ever."""
    flux, age_ms = np.full((3, 368, 3), 40_000, np.uint16), np.zeros((3, 368), np.uint16)
    age_ms[:, 5] = 1000, 1001, 65_535
    assert usable(flux, age_ms)[:, 5].tolist() == [True, False, False]
    made_up = session(200)
    made_up.streams["uskin"].columns["age_ms"][120:150, 5] = 1500
    made_up.streams["uskin"].columns["age_ms"][:50, 6] = 65_535
    recording = load_recording(made_up)
    assert np.flatnonzero(~recording.valid[:, 5]).tolist() == list(range(120, 150))
    assert (recording.delta[120:150, 5] == 0).all()
    assert not recording.valid[:, 6].any(), "a baseline of held values is none"


def test_baseline_is_the_median_of_valid_rest_frames():
    flux = np.array([[[30_000, 1, 2]], [[30_010, 3, 4]], [[65_000, 5, 6]]], np.uint16)
    valid = np.array([[True], [True], [False]])
    baseline, known = rest_baseline(flux, valid)
    assert baseline.tolist() == [[30_005, 2, 3]]
    assert known.tolist() == [True]


def test_gate_comes_before_the_baseline(session):
    """Most rest frames of one taxel are glitches: a median taken before the gate would be the glitch's value."""
    made_up = session(200)
    flux = made_up.streams["uskin"].columns["flux"]
    flux[:40, 7] = 65_535
    recording = load_recording(made_up)
    assert not recording.valid[:40, 7].any()
    assert recording.valid[40:50, 7].all()
    assert np.abs(recording.delta[40:50, 7]).max() < 20
    assert (recording.delta[:40, 7] == 0).all()


def test_taxel_without_any_valid_rest_frame_is_masked_throughout(session):
    made_up = session(200)
    made_up.streams["uskin"].columns["flux"][:50, 9] = 0
    recording = load_recording(made_up)
    assert not recording.valid[:, 9].any()
    assert (recording.delta[:, 9] == 0).all()
    assert recording.valid[:, 8].all()


def test_without_rest_span_the_first_frames_serve_and_the_log_says_so(session, caplog):
    caplog.set_level(logging.WARNING)
    recording = load_recording(session(200, rest=False))
    assert recording.baseline_from == "first 0.8 s (no rest span)"
    assert "no rest span" in caplog.text


def test_rest_span_is_named_where_it_was_used(session):
    assert load_recording(session(200)).baseline_from == "rest span of 0.49 s"


def test_delta_is_the_change_in_counts(session):
    made_up = session(120)
    flux = made_up.streams["uskin"].columns["flux"]
    flux[:] = 30_000
    flux[70, 3] = [30_005, 29_990, 59_000]
    recording = load_recording(made_up)
    assert recording.delta.dtype == np.int16
    assert recording.delta[70, 3].tolist() == [5, -10, 29_000]
    assert np.count_nonzero(recording.delta) == 3


def test_change_beyond_sixteen_bits_is_clipped(session):
    made_up = session(120)
    flux = made_up.streams["uskin"].columns["flux"]
    flux[:] = 20_000
    flux[70, 3, 2] = 60_000
    assert load_recording(made_up).delta[70, 3].tolist() == [0, 0, 32_767]


def test_missing_ticks_leave_stale_grid_frames(session):
    made_up = session(100)
    kept = np.r_[0:30, 31:40, 42:60, 70:100]  # one and two are bridged
    columns = made_up.streams["uskin"].columns
    made_up.streams["uskin"].columns = {name: values[kept] for name, values in columns.items()}
    recording = load_recording(made_up)
    assert len(recording.t_mono_ns) == 100
    assert np.flatnonzero(~recording.fresh).tolist() == list(range(60, 70))


def test_jitter_of_the_tick_neither_repeats_nor_loses_frames(session):
    made_up = session(100)
    stamps = made_up.streams["uskin"].columns["t_mono"]
    stamps[1:-1] += np.random.default_rng(0).integers(-3_000_000, 3_000_000, 98)
    flux = made_up.streams["uskin"].columns["flux"]
    flux[:] = 40_000
    flux[60:, 0, 0] += np.arange(40, dtype=np.uint16)
    assert load_recording(made_up).delta[60:, 0, 0].tolist() == list(range(40))


def test_joints_are_the_newest_at_or_before():
    assert newest_at(np.array([10, 20, 30]), np.array([5, 10, 19, 20, 99])).tolist() == [0, 0, 0, 1, 2]


def test_truth_becomes_the_size_of_each_pads_force(session):
    made_up = session(120)
    made_up.streams["truth"].columns["pad_wrench"][100, 4] = [3, 0, -4, 9, 9, 9]
    recording = load_recording(made_up)
    assert recording.pad_force_n[100, 4] == pytest.approx(5)


def test_simulated_is_what_the_session_says_not_whether_there_is_truth(session):
    silent, recorded = session(120, truth=False), session(120)
    recorded.meta["simulated"] = False
    assert [load_recording(made_up).simulated for made_up in (session(120), silent, recorded)] == [True, True, False]


def test_the_object_is_seen_from_the_palm(session):
    """A palm turned by a quarter about z, one metre up: what lies along the world's x lies along its own -y."""
    made_up = session(60)
    truth = made_up.streams["truth"].columns
    quarter = [0, 0, np.sqrt(0.5), np.sqrt(0.5)]
    truth["palm_pose"] = np.tile(np.array([0, 0, 1, *quarter], np.float32), (60, 1))
    truth["object_pose"] = np.tile(np.array([0.2, 0, 1, *quarter], np.float32), (60, 1))
    pose = load_recording(made_up).object_in_palm
    assert pose.shape == (60, 3, 4)
    np.testing.assert_allclose(pose[30], np.c_[np.eye(3), [0, -0.2, 0]], atol=1e-6)
    truth["object_pose"][7] = np.nan
    assert load_recording(made_up).object_in_palm is None
    assert load_recording(session(60)).object_in_palm is None  # its truth has no such columns


def test_labels_become_an_action_of_each_frame(session):
    made_up = session(200)
    label = Label(
        id="a",
        revision=1,
        label="wiping",
        t_start_mono_ns=5_500_000_000,
        t_end_mono_ns=5_700_000_000,
        state="gold",
        source="human",
        annotator="test",
        created_at="2026-03-01T10:00:00+00:00",
    )
    action = load_recording(made_up, [label]).action
    assert np.flatnonzero(action == ACTIONS.index("wiping")).tolist() == list(range(50, 70))
    assert (action == -1).sum() == 180
    rest = Label(**{**{f: getattr(label, f) for f in label.__struct_fields__}, "label": "rest"})
    assert load_recording(made_up, [rest]).action is None


@pytest.mark.parametrize("missing", ["uskin", "allegro"])
def test_missing_stream_is_named(session, missing):
    made_up = session(60)
    del made_up.streams[missing]
    with pytest.raises(SessionError, match=f"stream '{missing}' of session made_up_0.*no such stream"):
        load_recording(made_up)


def test_fingerprint_follows_the_content(session):
    first, same, other = (load_recording(session(80, seed=s)) for s in (0, 0, 1))
    assert first.fingerprint() == same.fingerprint()
    assert first.fingerprint() != other.fingerprint()
    assert first.name == str(Path("made_up_0"))
