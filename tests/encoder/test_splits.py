from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from encoder.splits import LeaveOut, part_of_recordings, with_some_sessions
from encoder.windows import HELD_OUT, TRAIN, TactileWindows
from skin_teleop.errors import SessionError


@pytest.fixture
def recordings(recording):
    things = ("cup", "cup", "ball", "ball", "ball", "lego")
    return [dataclasses.replace(recording, name=f"s{k}", object_name=thing) for k, thing in enumerate(things)]


def test_objects_and_sessions_are_left_out_as_a_whole(recordings):
    leave_out = LeaveOut(objects=("cup",), sessions=("s3",))
    assert [r.name for r in leave_out.kept(recordings)] == ["s2", "s4", "s5"]
    parts = part_of_recordings(recordings, leave_out)
    assert parts.tolist() == [HELD_OUT, HELD_OUT, TRAIN, HELD_OUT, TRAIN, TRAIN]
    windows = TactileWindows(recordings, parts=parts)
    np.testing.assert_array_equal(windows.part, parts[windows.recording])
    assert len(windows) == 6 * (len(recordings[0].t_mono_ns) - 9)  # no block of time is cut away


def test_statistics_come_from_recordings_that_may_be_learnt_from(recordings):
    loud = dataclasses.replace(recordings[0], delta=np.full_like(recordings[0].delta, 30_000))
    mean, _ = TactileWindows([loud, recordings[2]], parts=np.array([HELD_OUT, TRAIN], np.int8)).flux_statistics()
    assert mean.max() < 1000


def test_a_share_of_the_other_sessions_is_drawn_by_seed(recordings):
    first = with_some_sessions(recordings, LeaveOut(("lego",)), 0.34, seed=1)
    assert first == with_some_sessions(recordings, LeaveOut(("lego",)), 0.34, seed=1)
    left = [r.object_name for r in recordings if r.name in first.sessions]
    assert sorted(left) == ["ball", "cup"]
    assert first.objects == ("lego",)


def test_the_only_session_of_an_object_stays(recordings):
    assert "s5" not in with_some_sessions(recordings, LeaveOut(), 0.9, seed=0).sessions


def test_unknown_names_and_nothing_left_are_refused(recordings):
    with pytest.raises(SessionError, match=r"no recording of spoon.*allowed: ball, cup, lego, s0"):
        LeaveOut(("spoon",)).kept(recordings)
    with pytest.raises(SessionError, match="no recording is left"):
        LeaveOut(("cup", "ball", "lego")).kept(recordings)
