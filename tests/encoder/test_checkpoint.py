from __future__ import annotations

import json

import msgspec
import pytest
import torch

from encoder.checkpoint import SCHEMA, EncoderConfig, load_config, load_encoder, save_encoder, windows_for
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.session_data import load_recording
from skin_teleop.errors import ConfigError, SessionError


@pytest.fixture
def config():
    return EncoderConfig(
        schema=SCHEMA,
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
        ({"schema": "skin_teleop.encoder/3"}, "does not describe an encoder of this version"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"rate_hz": 50}, "found: 10 frames at 50 Hz, 6 channels; allowed: 10 frames at 100 Hz"),
        (
            {"size": {"width": 20_000_000, "depth": 1, "heads": 1}},
            "found: width 20000000, 1 blocks, 1 heads",
        ),
        ({"size": {"width": 12, "depth": 1, "heads": 5}}, "found: width 12, 1 blocks, 5 heads"),
        ({"size": {"width": 12, "depth": 0, "heads": 3}}, "found: width 12, 0 blocks"),
        ({"size": {"width": 15, "depth": 1, "heads": 3}}, "allowed: an even width"),
        ({"geometry": "round"}, "names a geometry; found: round; allowed: vendor, sparsh"),
        ({"layout": "glove"}, "names a layout; found: glove; allowed: xela_ah_right, xela_ah_left"),
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


OLDER = "skin_teleop.encoder/1"


def test_a_pad_encoder_of_the_older_version_says_what_it_is_and_what_to_do(config, tmp_path):
    older = msgspec.structs.replace(config, schema=OLDER, size=EncoderSize(12, 1, 3, "pad"))
    encoder = SparshSkinEncoder(older.size)
    encoder.patch_norm = torch.nn.LayerNorm(12)
    save_encoder(tmp_path, encoder, older)
    with pytest.raises(
        ConfigError, match=r"by an older version.*found: skin_teleop\.encoder/1, patch_norm.*next: skin-teleop pretrain"
    ):
        load_encoder(tmp_path)


def test_a_taxel_encoder_of_the_older_version_is_the_same_and_is_read(saved, config, tmp_path):
    save_encoder(tmp_path, saved, msgspec.structs.replace(config, schema=OLDER))
    assert torch.equal(load_encoder(tmp_path).place, saved.place)


@pytest.mark.usefixtures("saved")
def test_a_size_that_the_file_does_not_hold_takes_no_memory(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    largest = {"size": {"width": 2048, "depth": 64, "heads": 32, "tokens": "taxel"}}  # 13 GB
    path.write_text(json.dumps(json.loads(path.read_text()) | largest))
    built_on = []

    def build(*arguments):
        built_on.append(torch.empty(0).device.type)
        return SparshSkinEncoder(*arguments)

    monkeypatch.setattr("encoder.checkpoint.SparshSkinEncoder", build)
    with pytest.raises(ConfigError, match=r"size that config\.json says; found: blocks\.0.*allowed: blocks\.0"):
        load_encoder(tmp_path)
    assert built_on == ["meta"]


def test_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no config.json; next: skin-teleop pretrain"):
        load_encoder(tmp_path / "nothing")


def test_another_skin_than_the_encoders_is_refused(session, config):
    left = session(200)
    left.meta["rig"]["skin"]["layout"] = "xela_ah_left"
    with pytest.raises(SessionError, match="encoder of the layout xela_ah_right, recordings of xela_ah_left"):
        windows_for(config, [load_recording(left)])
    assert windows_for(config, [load_recording(session(200))]).geometry == config.geometry
