from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch

from encoder.checkpoint import SCHEMA, EncoderConfig, save_encoder
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from skin_teleop.cli import export_onnx as verb
from skin_teleop.errors import ConfigError, TrainingError

onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

from encoder.onnx_export import OnnxEncoder, Parity, _require_parity, compare, export_onnx  # noqa: E402

SIZE = EncoderSize(24, 1, 3, "pad")


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(3)
    made = SparshSkinEncoder(SIZE).eval()
    made.set_statistics(torch.tensor([5.0, -3.0, 20.0]), torch.tensor([40.0, 50.0, 90.0]))
    return made


@pytest.fixture(scope="module")
def config():
    return EncoderConfig(
        schema=SCHEMA,
        size=SIZE,
        geometry="vendor",
        layout="xela_ah_right",
        preset="laptop",
        exported="student",
        chosen_by="force_r2",
        steps=1,
        seed=0,
        simulated=True,
        data_fingerprints={},
        bf16=False,
    )


@pytest.fixture(scope="module")
def exported(encoder, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "pad.onnx"
    return path, export_onnx(encoder, config, path)


def test_the_file_gives_the_networks_numbers_for_any_batch(encoder, exported):
    path, parity = exported
    assert parity.largest_difference < 1e-4
    assert parity.mean_cosine > 0.99999
    flux, position, valid = torch.randn(1, 10, 368, 3), torch.rand(1, 10, 368, 3), torch.arange(368)[None] % 9 > 0
    summary, patches = OnnxEncoder(path)(flux.numpy(), position.numpy(), valid.numpy())
    with torch.no_grad():
        wanted = encoder(flux, position, valid)
    assert patches.shape == (1, 18, 24)
    np.testing.assert_allclose(summary, wanted.summary.numpy(), atol=1e-4)
    np.testing.assert_allclose(patches, wanted.patches.numpy(), atol=1e-4)


def test_the_file_says_how_to_feed_it(exported):
    facts = {entry.key: entry.value for entry in onnx.load(str(exported[0])).metadata_props}
    assert facts["layout"] == "xela_ah_right"
    assert facts["window_frames"] == "10"
    assert facts["weights"] == "float32"


def test_int8_is_smaller_and_close(encoder, config, exported, tmp_path, monkeypatch):
    path = tmp_path / "pad.int8.onnx"
    path.write_bytes(exported[0].read_bytes())
    monkeypatch.setattr("encoder.onnx_export._write", lambda _encoder, part: part.write_bytes(path.read_bytes()))
    parity = export_onnx(encoder, config, path, int8=True)
    assert path.stat().st_size < 0.7 * exported[0].stat().st_size  # half of this small file is graph, not weights
    assert 0.98 < parity.mean_cosine < 1
    assert compare(encoder, OnnxEncoder(path)) == parity
    assert [file.name for file in tmp_path.iterdir()] == ["pad.int8.onnx"]


def test_a_file_that_disagrees_is_refused():
    with pytest.raises(TrainingError, match=r"mean cosine 0.5000; allowed: cosine of at least 0.98"):
        _require_parity(Parity(3.0, 0.5), int8=True)
    with pytest.raises(TrainingError, match=r"difference of at most 0.001"):
        _require_parity(Parity(0.1, 0.9999), int8=False)


def test_verb_writes_beside_the_run_and_never_over_a_file(encoder, config, exported, tmp_path, capsys, monkeypatch):
    def export(_encoder, _config, path, *, int8):
        path.write_bytes(exported[0].read_bytes())
        return exported[1] if not int8 else None

    monkeypatch.setattr("encoder.onnx_export.export_onnx", export)  # tracing takes seconds
    save_encoder(tmp_path / "run", encoder, config)
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    options = parser.parse_args([str(tmp_path / "run")])
    assert verb.run(options) == 0
    assert "run.onnx" in capsys.readouterr().out
    assert OnnxEncoder(tmp_path / "run.onnx")
    with pytest.raises(ConfigError, match=r"run.onnx was to be written; found: a file of that name"):
        verb.run(options)
