from __future__ import annotations

import copy
from pathlib import Path

import huggingface_hub.hub_mixin as hub_mixin
import pytest
import torch

from encoder.checkpoint import SCHEMA, EncoderConfig, load_config, load_encoder, save_encoder
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from skin_teleop.errors import ConfigError


@pytest.fixture
def run_folder(tmp_path):
    config = EncoderConfig(
        schema=SCHEMA,
        size=EncoderSize(12, 1, 3, "pad"),
        geometry="sparsh",
        layout="xela_ah_right",
        preset="laptop",
        exported="teacher",
        chosen_by="force_r2",
        steps=5,
        seed=3,
        simulated=True,
        data_fingerprints={"a": "0" * 64},
        bf16=False,
    )
    save_encoder(tmp_path / "run", SparshSkinEncoder(config.size), config)
    (tmp_path / "run" / "README.md").write_text("# The card of this run\n")
    return tmp_path / "run"


def assert_same_files(folder: Path, run_folder: Path) -> None:
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (folder / name).read_bytes() == (run_folder / name).read_bytes(), name


def test_from_pretrained_is_load_encoder_for_a_local_folder(run_folder):
    encoder = SparshSkinEncoder.from_pretrained(run_folder)
    assert (encoder.training, encoder.size) == (False, EncoderSize(12, 1, 3, "pad"))
    for name, tensor in load_encoder(run_folder).state_dict().items():
        assert torch.equal(encoder.state_dict()[name], tensor), name


def test_what_is_saved_is_the_run_folder_again_byte_for_byte(run_folder, tmp_path):
    SparshSkinEncoder.from_pretrained(run_folder).save_pretrained(tmp_path / "copy")
    assert_same_files(tmp_path / "copy", run_folder)
    copy.deepcopy(load_encoder(run_folder)).save_pretrained(tmp_path / "copy")
    assert_same_files(tmp_path / "copy", run_folder)
    assert load_config(tmp_path / "copy").seed == 3


def test_what_is_pushed_is_the_run_folder_too(run_folder, tmp_path, monkeypatch):
    class Hub:
        """The two calls that the mix-in makes, without a network."""

        def __init__(self, token: str | None = None) -> None:
            self.token = token

        def create_repo(self, repo_id: str, **_: object) -> object:
            return type("Repository", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: object) -> str:
            assert_same_files(folder_path, run_folder)
            return f"pushed {repo_id}: {sorted(path.name for path in folder_path.iterdir())}"

    monkeypatch.setattr(hub_mixin, "HfApi", Hub)
    told = load_encoder(run_folder).push_to_hub("lab/skin")
    assert told == "pushed lab/skin: ['README.md', 'config.json', 'model.safetensors']"


def test_a_repository_is_fetched_as_a_folder_and_only_its_three_files(run_folder, monkeypatch):
    asked = {}

    def fetch(model_id: str, **options: object) -> str:
        asked.update(options, model_id=model_id)
        return str(run_folder)

    monkeypatch.setattr("encoder.hub.snapshot_download", fetch)
    monkeypatch.setattr(hub_mixin, "hf_hub_download", lambda **_: str(run_folder / "config.json"))
    encoder = SparshSkinEncoder.from_pretrained("lab/skin", revision="v1")
    assert encoder.described == load_config(run_folder)
    assert (asked["model_id"], asked["revision"]) == ("lab/skin", "v1")
    assert asked["allow_patterns"] == ["config.json", "model.safetensors", "README.md"]


def test_an_encoder_made_from_nothing_says_how_to_save_it(tmp_path):
    with pytest.raises(ConfigError, match=r"without a description.*next: encoder\.checkpoint\.save_encoder"):
        SparshSkinEncoder(EncoderSize(12, 1, 3)).save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new" / "model.safetensors").exists()
