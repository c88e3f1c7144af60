from __future__ import annotations

import numpy as np
import pytest
import torch

from encoder.features import encoder_features, raw_features
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.probe import ProbeTask, held_out_scores, probe, probe_task, validation_scores
from encoder.session_data import load_recording
from encoder.windows import HELD_OUT, TRAIN, VALIDATION, TactileWindows
from skin_teleop.errors import SessionError

PARTS = np.repeat([TRAIN, VALIDATION, HELD_OUT], [300, 100, 200])


@pytest.fixture
def force_n():
    return np.clip(np.random.default_rng(0).normal(0.2, 0.5, (600, 2)), 0, None)


def task_of(force_n):
    return ProbeTask(np.arange(len(force_n)), PARTS, force_n, np.array([0, 3]))


def test_a_linear_signal_is_recovered(force_n):
    rng = np.random.default_rng(1)
    features = force_n @ rng.normal(size=(2, 30)) + rng.normal(0, 0.01, (600, 30))
    scores = held_out_scores([features], task_of(force_n))
    assert scores["force_r2"] > 0.99
    assert scores["contact_balanced_accuracy"] > 0.8
    assert validation_scores([features], task_of(force_n))["force_r2"] > 0.99


def test_random_labels_give_chance(force_n):
    features = np.random.default_rng(2).normal(size=(600, 30))
    scores = held_out_scores([features], task_of(force_n))
    assert scores["force_r2"] == pytest.approx(0, abs=0.1)
    assert scores["contact_balanced_accuracy"] == pytest.approx(0.5, abs=0.1)


def test_held_out_targets_never_reach_the_fit(force_n):
    """Scrambled held-out forces lower the score there and change nothing on the validation part."""
    features = force_n @ np.random.default_rng(3).normal(size=(2, 30))
    scrambled = force_n.copy()
    scrambled[PARTS == HELD_OUT] = np.random.default_rng(4).permutation(scrambled[PARTS == HELD_OUT])
    assert validation_scores([features], task_of(force_n)) == validation_scores([features], task_of(scrambled))
    assert held_out_scores([features], task_of(scrambled))["force_r2"] < 0.1


def test_task_takes_even_samples_of_every_part(recording):
    windows = TactileWindows([recording])
    task = probe_task(windows, 100)
    assert [int((task.part == part).sum()) for part in (TRAIN, VALIDATION, HELD_OUT)] == [45, 20, 35]
    np.testing.assert_array_equal(task.part, windows.part[task.rows])
    assert task.force_n.shape == (100, len(task.pads))


def test_pads_that_never_touch_are_left_out(session):
    made_up = session(900)
    made_up.streams["truth"].columns["pad_wrench"][:, [2, 11]] = 0
    pads = probe_task(TactileWindows([load_recording(made_up)])).pads.tolist()
    assert 2 not in pads
    assert 11 not in pads
    assert len(pads) > 10


def test_impacts_do_not_become_the_whole_variance(session):
    made_up = session(900)
    made_up.streams["truth"].columns["pad_wrench"][::7, :, 2] = 1000
    assert probe_task(TactileWindows([load_recording(made_up)])).force_n.max() == 10


def test_probe_compares_three_feature_sets(recording):
    windows = TactileWindows([recording])
    encoder = SparshSkinEncoder(EncoderSize(12, 1, 3))
    encoder.set_statistics(*(torch.from_numpy(statistic).float() for statistic in windows.flux_statistics()))
    result = probe(encoder, windows, probe_task(windows, 200))
    assert list(result) == ["encoder", "random", "raw"]
    assert [row["seeds"] for row in result.values()] == [1, 3, 1]
    for row in result.values():
        assert row["metric"] == "force_r2"
        assert row["value"] == row["force_r2"] > 0.3
        assert 0.5 < row["contact_balanced_accuracy"] <= 1


def test_feature_shapes_and_raw_statistics(recording):
    windows = TactileWindows([recording])
    rows = np.array([5, 200, 300])
    encoder = SparshSkinEncoder(EncoderSize(12, 1, 3))
    first, last = encoder_features(encoder, windows, rows)
    assert first.shape == (3, 18 * 12)
    assert last.shape == (3, 19 * 12)
    batch = windows.gather(rows)
    with torch.no_grad():
        tokens = encoder(batch.flux, batch.position_m, batch.valid)
        before = encoder.patches(encoder.fold(batch.flux, batch.position_m, batch.valid))
    np.testing.assert_allclose(last[:, -12:], tokens.summary, atol=1e-6)
    np.testing.assert_allclose(last[:, 15 * 12 : 16 * 12], tokens.patches[:, 296:320].mean(1), atol=1e-6)
    np.testing.assert_allclose(first[:, 15 * 12 : 16 * 12], before[:, 296:320].mean(1), atol=1e-6)
    raw = raw_features(windows, rows).reshape(3, 18, 4, 3)
    pad = windows.gather(rows[1:2]).flux.numpy()[0, :, 296:320, 2]  # pad 15, z
    expected = [pad.mean(), pad.max(), pad.min(), pad.std()]
    np.testing.assert_allclose(raw[1, 15, :, 2], expected, rtol=1e-5)


def test_sessions_without_truth_or_contact_are_refused(session):
    with pytest.raises(SessionError, match=r"without the stream 'truth'.*skin-teleop up --rig simulated"):
        probe_task(TactileWindows([load_recording(session(400, truth=False))]))
    quiet = session(400)
    quiet.streams["truth"].columns["pad_wrench"][:] = 0
    with pytest.raises(SessionError, match="no pad that touches and rests"):
        probe_task(TactileWindows([load_recording(quiet)]))
