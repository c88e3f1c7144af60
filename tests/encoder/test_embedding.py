from __future__ import annotations

import numpy as np
import pytest
import torch

from encoder.embedding import embed
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.run_folder import write_through
from encoder.session_data import load_recording
from encoder.windows import TactileWindows
from skin_teleop.errors import TrainingError


@pytest.fixture(scope="module")
def short(session):
    return load_recording(session(120))


@pytest.mark.parametrize("unit", ["taxel", "pad"])
def test_every_window_has_its_row(short, unit, tmp_path):
    encoder = SparshSkinEncoder(EncoderSize(24, 1, 3, unit)).eval()
    windows = TactileWindows([short], split=False)
    result = embed(encoder, windows)
    assert result.t_mono_ns.tolist() == short.t_mono_ns[9:].tolist(), "windows over the split's borders are included"
    assert result.pads.shape == (111, 18, 24)
    batch = windows.gather(np.array([50]))
    with torch.no_grad():
        tokens = encoder(batch.flux, batch.position_m)
    np.testing.assert_allclose(result.summary[50], tokens.summary[0], atol=1e-5)
    np.testing.assert_allclose(result.pads[50, 4], tokens.patches[0, encoder.tokens.pad == 4].mean(0), atol=1e-5)
    result.save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as stored:
        assert sorted(stored) == ["pads", "summary", "t_mono_ns"]
        np.testing.assert_array_equal(stored["summary"], result.summary)


def test_full_disk_leaves_the_old_file_in_place(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"good")

    def fill_the_disk(file):
        file.write(b"half of")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match=r"No space left on device; next: make room .* untouched"):
        write_through(path, fill_the_disk)
    assert path.read_bytes() == b"good"
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
