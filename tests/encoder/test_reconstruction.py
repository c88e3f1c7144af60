from __future__ import annotations

import numpy as np
import pytest
import torch

from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.reconstruction import reconstruct
from encoder.windows import HELD_OUT, TactileWindows
from skin_teleop.errors import TrainingError


@pytest.fixture(scope="module")
def windows(recording):
    return TactileWindows([recording])


@pytest.fixture(scope="module")
def encoder(windows):
    torch.manual_seed(0)
    encoder = SparshSkinEncoder(EncoderSize(48, 1, 3))
    encoder.set_statistics(*(torch.from_numpy(statistic).float() for statistic in windows.flux_statistics()))
    return encoder.requires_grad_(False).eval()


def test_a_lively_held_out_moment_is_read_back(encoder, windows, recording, tmp_path):
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    result = reconstruct(encoder, windows)
    assert result.true.shape == result.reconstructed.shape == (368, 3)
    frame = int(np.searchsorted(recording.t_mono_ns, result.t_mono_ns))
    np.testing.assert_allclose(result.true, recording.delta[frame], atol=0.05)
    held_out = windows.rows(HELD_OUT)
    assert result.t_mono_ns in windows.last_frame_ns(held_out)
    assert np.abs(result.true).mean() > np.abs(recording.delta.astype(float)).mean()
    assert result.explained > 0.5
    assert result.error_counts == pytest.approx(np.sqrt(((result.true - result.reconstructed) ** 2).mean()), rel=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
    with pytest.raises(TrainingError, match=r"reconstruction\.npz was to be written.*next: make room"):
        result.save(tmp_path / "missing")
    result.save(tmp_path)
    with np.load(tmp_path / "reconstruction.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["true"], result.true)
        assert int(stored["t_mono_ns"]) == result.t_mono_ns


def test_same_seed_draws_the_same_picture(encoder, windows):
    first, second = (reconstruct(encoder, windows, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.reconstructed, second.reconstructed)
