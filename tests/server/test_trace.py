"""Recorded hands: what is played, what is repaired, what is refused and with which advice."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from server.hand_frames import right_hand_quaternions
from server.protocol import check_hand
from server.trace import load_trace
from skin_teleop.errors import TraceError
from skin_teleop.transforms import rotation_from_quaternion

T_S = np.arange(6) / 72


@pytest.fixture
def keypoints(hand_pose) -> np.ndarray:
    """(6, 25, 3) float32 of a moving hand."""
    drift = np.arange(6, dtype=np.float32)[:, None, None] * np.float32(1e-3)
    return np.repeat(hand_pose[None, :, :3], 6, axis=0) + drift


def saved(folder: Path, **arrays) -> Path:
    np.savez(folder / "trace.npz", **arrays)
    return folder / "trace.npz"


def test_poses_and_times_are_taken_bit_for_bit(tmp_path, hand_pose):
    pose = np.repeat(hand_pose[None], 6, axis=0)
    pose[:, 4, 0] = np.float32(-0.0)
    trace = load_trace(saved(tmp_path, pose=pose, t=T_S + 5.0))
    assert trace.pose.tobytes() == pose.tobytes()
    assert trace.valid.all() and trace.invalid_rows == 0
    np.testing.assert_allclose(trace.t_s, T_S, atol=1e-12)
    assert trace.duration_s == pytest.approx(5 / 72)


def test_keypoints_keep_their_bits_and_get_usable_quaternions(tmp_path, keypoints):
    trace = load_trace(saved(tmp_path, keypoints=keypoints, t=T_S))
    assert trace.pose[..., :3].tobytes() == keypoints.tobytes()
    assert trace.valid.all()
    for row in trace.pose:
        check_hand(row)


def test_built_quaternions_follow_the_webxr_convention(keypoints):
    axes = rotation_from_quaternion(right_hand_quaternions(keypoints)[0])  # (25, 3, 3)
    bones = keypoints[0, 1:].astype(float) - keypoints[0, :-1]
    for joint in (1, 2, 3, 5, 6, 7, 8, 20, 23):
        np.testing.assert_allclose(-axes[joint, :, 2], bones[joint] / np.linalg.norm(bones[joint]), atol=1e-6)
    for tip in (4, 9, 14, 19, 24):
        np.testing.assert_allclose(axes[tip], axes[tip - 1], atol=1e-12)
    assert (axes[5:, 1, 1] > 0.9).all()  # +Y of every finger out of the back of this hand, which faces up
    assert axes[0, 0, 0] > 0.9 and axes[0, 2, 2] > 0.9  # wrist: X to the little finger, Z away from the fingers


def test_rows_that_cannot_be_sent_become_a_hand_out_of_sight(tmp_path, hand_pose):
    pose = np.repeat(hand_pose[None], 6, axis=0)
    pose[1, 3, 0] = np.nan
    pose[2, 7, 6] = 1.1
    pose[3, :, :3] = 1e6
    pose[4, 0, 3:] = 0
    trace = load_trace(saved(tmp_path, pose=pose, t=T_S))
    assert trace.valid.tolist() == [True, False, False, False, False, True]
    assert trace.invalid_rows == 4
    assert not trace.pose[1:5].any()


def test_a_keypoint_row_that_is_not_finite_is_out_of_sight(tmp_path, keypoints):
    keypoints[2, 10, 1] = np.inf
    keypoints[4] = 0.0
    assert load_trace(saved(tmp_path, keypoints=keypoints, t=T_S)).valid.tolist() == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_marks_come_in_time_order(tmp_path, hand_pose):
    path = saved(
        tmp_path, pose=np.repeat(hand_pose[None], 6, axis=0), t=T_S + 1,
        mark_t=[1.05, 1.01], mark_label=["squeeze", "squeeze"], mark_edge=["end", "begin"],
    )  # fmt: skip
    begin, end = load_trace(path).marks
    assert (begin.label, begin.edge, end.edge) == ("squeeze", "begin", "end")
    assert (begin.t_s, end.t_s) == (pytest.approx(0.01), pytest.approx(0.05))


def test_an_empty_trace_has_nothing_to_send(tmp_path):
    trace = load_trace(saved(tmp_path, keypoints=np.zeros((0, 25, 3), np.float32), t=np.zeros(0)))
    assert (len(trace.pose), trace.duration_s, trace.marks) == (0, 0.0, ())


def test_a_rate_replaces_the_times(tmp_path, keypoints):
    assert load_trace(saved(tmp_path, keypoints=keypoints), rate_hz=50).t_s.tolist() == [0, 0.02, 0.04, 0.06, 0.08, 0.1]


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (np.full(6, 3.0), r"is static; found: all 6 times are 3.0; next: skin-teleop operate .*trace.npz --rate 72"),
        (None, "does not say when its rows are; found: no t; next: .* --rate 72"),
        (T_S[:5], r"found: t \(5,\) float64 for 6 rows"),
        (np.array([0, 1, 2, 2, 3, 4.0]), r"do not increase; found: t\[3\] = 2.0"),
        (np.array([0, 1, np.nan, 2, 3, 4.0]), r"do not increase; found: t\[2\] = nan"),
        (np.array(list("abcdef")), "does not say when its rows are"),
    ],
)
def test_times_that_cannot_be_played_are_refused(tmp_path, keypoints, t, text):
    arrays = {"keypoints": keypoints} | ({} if t is None else {"t": t})
    with pytest.raises(TraceError, match=text):
        load_trace(saved(tmp_path, **arrays))


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"hands": np.zeros(3)}, "found: neither; allowed: an .npz with keypoints"),
        ({"keypoints": np.zeros((6, 21, 3), np.float32)}, r"keypoints \(6, 21, 3\) float32.*insert the metacarpals"),
        ({"keypoints": np.zeros((6, 26, 3), np.float32)}, "drop the palm"),
        ({"pose": np.zeros((6, 2, 25, 7), np.float32)}, r"pose \(6, 2, 25, 7\)"),
        ({"keypoints": np.zeros((6, 25, 3), int)}, r"keypoints \(6, 25, 3\) int64"),
    ],
)
def test_other_formats_are_refused_with_the_repair(tmp_path, arrays, text):
    with pytest.raises(TraceError, match=text):
        load_trace(saved(tmp_path, t=T_S, **arrays))


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ({"mark_t": [0.0]}, r"marks .* do not match; found: mark_t \(1,\)"),
        ({"mark_t": [0.0, 1.0], "mark_label": ["a"], "mark_edge": ["begin"]}, "do not match"),
        ({"mark_t": [0.0], "mark_label": ["a"], "mark_edge": ["middle"]}, "has no edge; found: 'middle'"),
    ],
)
def test_marks_that_do_not_fit_are_refused(tmp_path, keypoints, marks, text):
    with pytest.raises(TraceError, match=text):
        load_trace(saved(tmp_path, keypoints=keypoints, t=T_S, **marks))


class Surprise:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_pickles_and_other_files_are_never_loaded(tmp_path):
    for name, content in (("a.npz", b"not a zip"), ("b.npz", pickle.dumps(Surprise()))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TraceError, match=r"cannot be read.*allowed: an .npz"):
            load_trace(tmp_path / name)
    with pytest.raises(TraceError, match="cannot be read"):
        load_trace(saved(tmp_path, keypoints=np.array([Surprise()], dtype=object), t=T_S))
    with pytest.raises(TraceError, match="no such file"):
        load_trace(tmp_path / "missing.npz")
