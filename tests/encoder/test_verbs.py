"""The verbs on a real session: written by the recorder's log, sealed, read back, pretrained on and probed."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

from dataset_tools.pack import pack_session
from dataset_tools.seal import seal_session
from dataset_tools.session_log import SessionLog
from encoder.checkpoint import load_config, load_encoder
from encoder.model import SparshSkinEncoder
from encoder.presets import PRESETS
from encoder.session_data import load_recording
from skin_teleop.cli.main import main
from skin_teleop.cli.probe import load_recordings, plain_numbers
from skin_teleop.clock import ABSENT_NS, Stamp
from skin_teleop.messages import Event, JointState, SkinFrame, Truth
from skin_teleop.rig import load_rig

N_FRAMES = 340


@pytest.fixture(scope="module")
def stored_session(tmp_path_factory, session):
    """The made-up session of these tests as a sealed folder, its rest marked by two events."""
    made_up = session(N_FRAMES)
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))
    with SessionLog.create(tmp_path_factory.mktemp("sessions"), rig) as log:
        for kind, name in ((SkinFrame, "uskin"), (JointState, "allegro"), (Truth, "truth")):
            columns = made_up.streams[name].columns
            for row in range(len(columns["t_mono"])):
                log.add(sample_of(kind, row, columns), name)
        for edge, t_ns in zip(("begin", "end"), made_up.rest_span_ns, strict=True):
            mark = dataclasses.replace(Event.now("mark", 0, label="rest", edge=edge), t_mono=int(t_ns))
            log.add(mark, "events")
        folder = log.folder
    return seal_session(folder)


def sample_of(kind, row, columns):
    """One row of a stream: what the made-up columns hold, zeros elsewhere."""
    dtype = kind.row_dtype()
    values = {name: np.zeros(dtype[name].shape, dtype[name].base) for name in dtype.names[5:]}
    values |= {name: column[row] for name, column in columns.items() if name != "t_mono"}
    return kind.stamped(Stamp(ABSENT_NS, int(columns["t_mono"][row]), 0), row, **values)


def test_stored_session_reads_like_the_made_up_one(stored_session, session):
    (stored,) = load_recordings([str(stored_session)])
    made_up = load_recording(session(N_FRAMES))
    assert stored.baseline_from == made_up.baseline_from == "rest span of 0.49 s"
    for name in ("t_mono_ns", "delta", "valid", "joint_rad", "pad_force_n"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(made_up, name))


def test_a_pack_and_the_cache_read_like_the_session(stored_session, tmp_path):
    plain, pack = load_recordings([str(stored_session)])[0], pack_session(stored_session, tmp_path / "pack")
    (packed,) = load_recordings([str(pack)])
    (cached,) = load_recordings([str(pack)], tmp_path / "cache")
    assert packed.fingerprint() == cached.fingerprint() == plain.fingerprint()
    np.testing.assert_array_equal(cached.pad_force_xyz_n, plain.pad_force_xyz_n)
    assert isinstance(cached.delta, np.memmap)


def test_pretrain_leaves_out_what_it_is_told_and_remembers_augmentation(stored_session, small_preset, tmp_path, capsys):
    out, again = tmp_path / "run", tmp_path / "again"
    words = ["pretrain", str(stored_session), "--preset", small_preset, "--steps", "2"]
    assert main([*words, "--leave-sessions", stored_session.name]) == 1
    assert "no recording is left" in capsys.readouterr().err
    assert main([*words, "--augment", "--out", str(out), "--cache", str(tmp_path / "cache")]) == 0
    config = load_config(out)
    assert config.augment
    assert config.core_s > 0
    assert main([*words, "--out", str(again)]) == 0
    first, plain = (load_encoder(folder).state_dict()["patch.weight"] for folder in (out, again))
    assert not np.array_equal(first, plain)


def test_pretrain_then_probe(stored_session, small_preset, tmp_path, capsys):
    out, answer = tmp_path / "run", tmp_path / "pretrain.json"
    words = ["pretrain", str(stored_session), "--preset", small_preset, "--steps", "3"]
    assert main([*words, "--out", str(out), "--json", str(answer)]) == 0
    result = json.loads(answer.read_text())
    assert {"run", "windows", "steps", "seconds", "loss_first", "loss_last", "probe"} <= set(result)
    assert result["steps"] == 3
    assert result["windows"] > 100
    assert list(result["probe"]) == ["encoder", "random", "raw"]
    assert "frozen linear probe" in capsys.readouterr().out
    files = {path.name for path in out.iterdir() if not path.name.startswith("events.out.tfevents")}
    assert files == {
        "README.md",
        "config.json",
        "extend.safetensors",
        "metrics.jsonl",
        "model.safetensors",
        "probe.json",
        "reconstruction.npz",
    }
    assert load_encoder(out).size.width == 24
    card = (out / "README.md").read_text()
    for said in (
        "3 steps, seed 0",
        "simulated (1 session)",
        stored_session.name,
        "chosen by force_r2 on the validation part",
    ):
        assert said in card
    assert main(["probe", str(out), str(stored_session), "--json", str(answer)]) == 0
    assert json.loads(answer.read_text())["probe"] == result["probe"]
    assert main([*words, "--out", str(out)]) == 1
    assert "found: a finished run; next: choose another --out" in capsys.readouterr().err


def test_pad_size_is_trained_drawn_and_embedded(stored_session, small_recipe, tmp_path, monkeypatch, capsys):
    """Another objective and one token per pad, by the verbs alone; a dry run before it writes nothing."""
    recipe = dataclasses.replace(small_recipe, size=dataclasses.replace(small_recipe.size, tokens="pad"))
    monkeypatch.setitem(PRESETS, "small_test", recipe)
    out, answer = tmp_path / "run", tmp_path / "dry.json"
    words = ["pretrain", str(stored_session), "--preset", "small_test", "--objective", "jepa", "--steps", "3"]
    assert main([*words, "--out", str(out), "--dry-run", "--json", str(answer)]) == 0
    work = json.loads(answer.read_text())
    assert not out.exists()
    assert work["tokens_per_window"] == 18
    assert work["steps"] == 3
    assert work["gflop_per_window"] > 0
    assert work["exported_parameters"] == sum(p.numel() for p in SparshSkinEncoder(recipe.size).parameters())
    assert work["trained_parameters"] > work["exported_parameters"]
    assert "windows of 18 tokens" in capsys.readouterr().out
    assert main([*words, "--out", str(out)]) == 0
    config = load_config(out)
    assert (config.objective, config.size.tokens) == ("jepa", "pad")
    assert "one token per pad" in (out / "README.md").read_text()
    picture, animation = tmp_path / "hand.png", tmp_path / "hand.gif"
    drawn = ["reconstruct", str(out), str(stored_session), "--out", str(picture)]
    assert main([*drawn, "--animation", str(animation), "--seconds", "0.3"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert animation.read_bytes().startswith(b"GIF89a")
    with Image.open(animation) as frames:
        assert frames.n_frames == 3
    assert main([*drawn, "--seconds", "60"]) == 1
    assert "allowed: 0.1 to 10 seconds" in capsys.readouterr().err
    assert main(["embed", str(out), str(stored_session)]) == 0
    beside = stored_session.with_name(f"{stored_session.name}.run.embeddings.npz")
    with np.load(beside, allow_pickle=False) as stored:
        assert stored["pads"].shape == (len(stored["t_mono_ns"]), 18, 24)
        assert len(stored["t_mono_ns"]) > 300
    beside.unlink()


def test_default_folder_and_wrong_lengths(stored_session, small_preset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["pretrain", str(stored_session), "--preset", small_preset]
    assert main([*words, "--steps", "0"]) == 1
    assert main([*words, "--max-time", "-1"]) == 1
    assert main([*words, "--resume"]) == 1
    errors = capsys.readouterr().err
    assert errors.count("--max-time above 0 s, --steps of at least 1") == 2
    assert "an unfinished run in runs was asked for; found: none; next: leave out --resume" in errors


def test_missing_torch_names_the_extra(stored_session, monkeypatch, capsys):
    monkeypatch.setattr("encoder.training_extra.PACKAGES", ("torch_that_is_not_there",))
    for words in (["pretrain", str(stored_session)], ["probe", "run", str(stored_session)]):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert "torch_that_is_not_there not installed; next: pip install 'skin-teleop[train]'" in error


def test_json_knows_no_nan():
    assert plain_numbers({"a": math.nan, "b": {"c": 1.5, "d": math.inf}}) == {"a": None, "b": {"c": 1.5, "d": None}}
