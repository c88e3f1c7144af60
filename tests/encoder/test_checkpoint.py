from __future__ import annotations

import json

import pytest
import torch

from encoder.checkpoint import EncoderConfig, load_config, load_encoder, save_encoder, windows_for
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.session_data import load_recording
from skin_teleop.errors import ConfigError, SessionError


@pytest.fixture
def config():
    return EncoderConfig(
        schema="skin_teleop.encoder/1",
        size=EncoderSize(12, 1, 3),
        geometry="vendor",
        layout="xela_ah_right",
        preset="demo",
        exported="student",
        chosen_by="force_r2",
        steps=5,
        seed=0,
        simulated=True,
        data_fingerprints={"a": "0" * 64},
        bf16=False,
    )


@pytest.fixture
def saved(config, tmp_path):
    encoder = SparshSkinEncoder(config.size)
    encoder.set_statistics(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0]))
    save_encoder(tmp_path, encoder, config)
    return encoder


def test_round_trip(saved, config, tmp_path):
    loaded = load_encoder(tmp_path)
    assert load_config(tmp_path) == config
    assert loaded.flux_std.tolist() == [4, 5, 6]
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    flux, position = torch.randn(1, 10, 368, 3), torch.randn(1, 10, 368, 3)
    with torch.no_grad():
        assert torch.equal(loaded(flux, position).patches, saved.eval()(flux, position).patches)


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "skin_teleop.encoder/2"}, "does not describe an encoder of this version"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"rate_hz": 50}, "found: 10 frames at 50 Hz, 6 channels; allowed: 10 frames at 100 Hz"),
    ],
)
def test_config_is_read_strictly(tmp_path, change, message):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError, match=message):
        load_encoder(tmp_path)


@pytest.mark.usefixtures("saved")
def test_weights_of_another_size_or_broken_files_are_refused(tmp_path):
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    content["size"]["depth"] = 2
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"(?s)cannot be loaded.*blocks\.1"):
        load_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04 not safetensors")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_encoder(tmp_path)


def test_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no config.json; next: skin-teleop pretrain"):
        load_encoder(tmp_path / "nothing")


def test_another_skin_than_the_encoders_is_refused(session, config):
    left = session(200)
    left.meta["rig"]["skin"]["layout"] = "xela_ah_left"
    with pytest.raises(SessionError, match="encoder of the layout xela_ah_right, recordings of xela_ah_left"):
        windows_for(config, [load_recording(left)])
    assert windows_for(config, [load_recording(session(200))]).geometry == config.geometry
