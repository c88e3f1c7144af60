from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.body import body_of
from encoder.session_data import TactileRecording, load_recording
from encoder.windows import (
    GUARD_FRAMES,
    HELD_OUT,
    TRAIN,
    VALIDATION,
    WINDOW_FRAMES,
    TactileWindows,
    part_of_frames,
)
from skin_teleop.errors import ConfigError, SessionError
from skin_teleop.hand import hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout


def test_window_holds_the_recorded_frames(recording):
    windows = TactileWindows([recording])
    row = int(np.flatnonzero(windows.start == 123)[0])
    batch = windows.gather(np.array([row]))
    assert batch.flux.shape == batch.position_m.shape == (1, 10, 368, 3)
    assert batch.valid.shape == (1, 368)
    np.testing.assert_array_equal(batch.flux[0].numpy(), recording.delta[123:133].astype(np.float32))
    assert windows.last_frame_ns(np.array([row]))[0] == recording.t_mono_ns[132]
    np.testing.assert_array_equal(windows.pad_force_n(np.array([row]))[0], recording.pad_force_n[132])


def test_positions_follow_the_joints_in_both_geometries(recording):
    joints = recording.joint_rad[200]
    posture = hand_posture(hand_model("allegro_v4_right"), joints)
    positions = []
    for geometry in ("vendor", "sparsh"):
        windows = TactileWindows([recording], geometry=geometry)
        row = np.flatnonzero(windows.start == 200)
        position = windows.gather(row).position_m[0, 0].numpy()
        np.testing.assert_allclose(position, skin_layout().positions_in_palm_m(posture, geometry), atol=1e-6)
        positions.append(position)
    assert not np.allclose(*positions, atol=1e-3)


def test_recordings_of_two_hands_keep_their_own_kinematics(session):
    other = session(200)
    other.meta["rig"]["hand"] |= {"model": "allegro_v5_right_a", "finger_joint1_z_m": 0.0}
    recordings = [load_recording(session(200)), load_recording(other)]
    windows = TactileWindows(recordings)
    rows = np.array([int(np.flatnonzero(windows.recording == k)[0]) for k in (0, 1)])
    positions = windows.gather(rows).position_m.numpy()
    for position, recording in zip(positions, recordings, strict=True):
        expected = recording.body.taxel_positions_m(recording.joint_rad[:10], "vendor")
        np.testing.assert_array_equal(position, expected)
    assert np.abs(positions[0] - positions[1]).max() > 1e-3


def test_two_layouts_in_one_run_are_refused(session):
    left = session(200)
    left.meta["rig"]["skin"]["layout"] = "xela_ah_left"
    with pytest.raises(SessionError, match=r"skin layouts xela_ah_left, xela_ah_right.*of one layout"):
        TactileWindows([load_recording(session(200)), load_recording(left)])


def test_one_invalid_frame_makes_the_taxel_invalid_in_ten_windows(session):
    made_up = session(400)
    made_up.streams["uskin"].columns["flux"][120, 5] = 0
    windows = TactileWindows([load_recording(made_up)])
    invalid = [int(windows.start[row]) for row in range(len(windows)) if not windows.gather([row]).valid[0, 5]]
    assert invalid == list(range(111, 121))


def test_stride_and_last_full_window():
    assert TactileWindows([still_recording(40)], stride=10).start.tolist() == [0, 10, 20, 30]


def test_no_window_reaches_over_a_hole_in_time(session):
    made_up = session(400)
    columns = made_up.streams["uskin"].columns
    kept = np.r_[0:60, 80:400]
    made_up.streams["uskin"].columns = {name: values[kept] for name, values in columns.items()}
    starts = TactileWindows([load_recording(made_up)]).start
    assert 50 in starts
    assert not set(range(51, 80)) & set(starts.tolist())
    assert 80 in starts


@given(st.integers(40, 3000))
@settings(deadline=None)  # a busy machine
def test_parts_keep_their_distance(n_frames):
    parts = part_of_frames(n_frames)
    windows = TactileWindows([still_recording(n_frames)])
    for row in range(0, len(windows), 7):
        frames = slice(max(0, windows.start[row] - GUARD_FRAMES), windows.start[row] + WINDOW_FRAMES)
        assert set(parts[frames].tolist()) == {int(windows.part[row])}


def test_long_recordings_use_blocks_of_a_second_and_a_half():
    parts = part_of_frames(1200)
    assert parts[:600].tolist() == [TRAIN] * 300 + [VALIDATION] * 150 + [HELD_OUT] * 150
    assert parts[600:].tolist() == parts[:600].tolist()


def test_short_recordings_still_have_every_part():
    assert set(part_of_frames(160).tolist()) == {TRAIN, VALIDATION, HELD_OUT}


def test_windows_of_several_recordings_are_told_apart(session):
    recordings = [load_recording(session(200, seed=s)) for s in (0, 1)]
    windows = TactileWindows(recordings)
    rows = np.array([int(np.flatnonzero(windows.recording == k)[0]) for k in (1, 0)])
    flux = windows.gather(rows).flux.numpy()
    np.testing.assert_array_equal(flux[0], recordings[1].delta[:10])
    np.testing.assert_array_equal(flux[1], recordings[0].delta[:10])


def test_statistics_leave_out_invalid_and_held_out(session):
    made_up = session(160)
    flux = made_up.streams["uskin"].columns["flux"]
    flux[:] = 40_000
    recording = load_recording(made_up)
    recording.delta[:80] = [3, -4, 100]
    recording.delta[80:120] = [3, -4, 100]
    recording.delta[120:] = 30_000  # held out
    recording.delta[:, 0], recording.valid[:, 0] = 9_999, False
    mean, deviation = TactileWindows([recording]).flux_statistics()
    assert mean.tolist() == [3, -4, 100]
    assert deviation.tolist() == [1, 1, 1]  # never below one count


def test_too_short_a_recording_is_refused(session):
    with pytest.raises(SessionError, match=r"5 frames in 1 sessions.*record a longer session"):
        TactileWindows([load_recording(session(5))])


def test_unknown_geometry_is_refused(recording):
    with pytest.raises(ConfigError, match="found: round; allowed: vendor, sparsh"):
        TactileWindows([recording], geometry="round")


def still_recording(n_frames):
    """A recording in which nothing happens."""
    return TactileRecording(
        name="still",
        body=body_of({"rig": msgspec.to_builtins(load_rig("simulated"))}),
        t_mono_ns=10_000_000 * np.arange(n_frames),
        fresh=np.ones(n_frames, bool),
        delta=np.zeros((1, 368, 3), np.int16),
        valid=np.ones((1, 368), bool),
        joint_rad=np.zeros((1, 16), np.float32),
        pad_force_xyz_n=None,
        baseline_from="nothing",
    )
