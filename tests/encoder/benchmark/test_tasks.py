from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dataset_tools.labels import ACTIONS
from encoder.benchmark.tasks import tasks_of
from encoder.session_data import load_recording
from encoder.windows import TactileWindows
from skin_teleop.errors import SessionError


@pytest.fixture
def known(recording):
    """A recording in which everything is known: the object turns about z by 1 degree and shifts by 0.1 mm a frame."""
    frames = len(recording.t_mono_ns)
    angle = np.deg2rad(1.0) * np.arange(frames)
    poses = np.zeros((frames, 3, 4), np.float32)
    poses[:, 0, 0], poses[:, 0, 1], poses[:, 1, 0], poses[:, 1, 1] = (
        np.cos(angle),
        -np.sin(angle),
        np.sin(angle),
        np.cos(angle),
    )
    poses[:, 2, 2] = 1
    poses[:, 0, 3] = 1e-4 * np.arange(frames)
    action = np.full(frames, -1, np.int8)
    action[100:200] = ACTIONS.index("wiping")
    return dataclasses.replace(recording, object_in_palm=poses, action=action, object_name="cup")


def test_targets_are_those_of_the_last_frame(known):
    windows = TactileWindows([known], split=False)
    rows = np.array([0, 95, 300])
    force, contact, pose, action = tasks_of(windows, rows)
    assert [task.name for task in (force, contact, pose, action)] == ["force", "contact", "pose change", "action"]
    np.testing.assert_allclose(force.values.reshape(3, 18, 3), known.pad_force_xyz_n[[9, 104, 309]])
    np.testing.assert_array_equal(contact.values, known.pad_force_n[[9, 104, 309]] > 0.15)
    np.testing.assert_array_equal(action.values.argmax(1), [0, 1 + ACTIONS.index("wiping"), 0])
    assert [task.metric for task in (force, action)] == ["R2", "balanced accuracy"]


def test_pose_change_is_in_millimetres_and_degrees(known):
    pose = tasks_of(TactileWindows([known], split=False), np.array([40]))[2]
    np.testing.assert_allclose(pose.values[0], [0.9, 0, 0, 0, 0, np.rad2deg(np.sin(np.deg2rad(9)))], atol=1e-3)


def test_a_strong_force_is_shortened_and_keeps_its_direction(known):
    known.pad_force_xyz_n[9, 4] = [0, 30, -40]
    try:
        force = tasks_of(TactileWindows([known], split=False), np.array([0]))[0].values.reshape(18, 3)
    finally:
        known.pad_force_xyz_n[9, 4] = known.pad_force_xyz_n[0, 4]
    np.testing.assert_allclose(force[4], [0, 6, -8])


def test_objects_are_told_apart_where_there_are_several(known):
    other = dataclasses.replace(known, object_name="ball")
    windows = TactileWindows([known, other], split=False)
    rows = np.array([0, len(windows) - 1])
    thing = tasks_of(windows, rows)[-1]
    assert thing.name == "object"
    assert thing.values.tolist() == [[0, 1], [1, 0]]  # ball, cup


def test_what_one_recording_does_not_know_is_no_task(known):
    silent = dataclasses.replace(known, object_in_palm=None, action=None)
    windows = TactileWindows([known, silent], split=False)
    assert [task.name for task in tasks_of(windows, np.array([0]))] == ["force", "contact", "action"]
    unlabelled = tasks_of(TactileWindows([silent], split=False), np.array([0]))
    assert [task.name for task in unlabelled] == ["force", "contact"]


def test_sessions_without_truth_are_refused(session):
    windows = TactileWindows([load_recording(session(200, truth=False))])
    with pytest.raises(SessionError, match=r"without the stream 'truth'.*skin-teleop simulate"):
        tasks_of(windows, np.array([0]))
