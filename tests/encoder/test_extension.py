from __future__ import annotations

import dataclasses

import pytest
import torch

from encoder import prepare as preparing
from encoder.card import model_card
from encoder.checkpoint import SCHEMA, EncoderConfig, load_config, load_encoder, save_encoder
from encoder.prepare import prepare
from encoder.presets import PRESETS
from encoder.run_folder import EXTENSION_FILE, RUN_FILE, read_metrics
from encoder.schedules import PAPER_MOMENTUM, Schedules
from encoder.session_data import load_recording
from encoder.train import Training, train
from encoder.training_state import keep_for_extension, restore_state
from encoder.windows import TactileWindows
from skin_teleop.errors import ConfigError

STEPS = 4


@pytest.fixture(scope="module")
def windows(recording):
    return TactileWindows([recording])


def finish(windows, folder, preset_name, **more):
    """Train as `pretrain` does and leave what it leaves, without probe and decoder."""
    settings = prepare(windows, folder, preset_name=preset_name, **more)
    training = train(windows, settings, folder)
    config = EncoderConfig(
        SCHEMA, training.recipe.size, "vendor", windows.layout, preset_name, "teacher", "a test",
        settings.steps, 0, True, settings.data_fingerprints, False, extends=settings.extends,
        steps_before=settings.steps_before, core_s=training.core_s,
    )  # fmt: skip
    save_encoder(folder, training.objective.encoders["teacher"], config)
    keep_for_extension(folder)
    (folder / RUN_FILE).unlink()
    return folder


@pytest.fixture
def finished(windows, small_preset, tmp_path):
    return finish(windows, tmp_path / "first", small_preset, steps=STEPS)


def test_a_finished_run_goes_on_in_a_new_folder_with_its_networks_and_moments(
    finished, windows, small_preset, tmp_path
):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    settings = prepare(windows, tmp_path / "second", preset_name=small_preset, steps=2, extends=finished)
    assert (settings.extends, settings.steps_before, settings.steps) == ("first", STEPS, 2)
    training = Training(windows, settings)
    done, core_s = restore_state(tmp_path / "second", training.objective, training.optimiser)
    assert done == 0
    assert core_s == pytest.approx(load_config(finished).core_s, abs=0.001)
    for name, tensor in load_encoder(finished).state_dict().items():
        assert torch.equal(training.objective.teacher.encoder.state_dict()[name], tensor), name
    assert {int(moments["step"]) for moments in training.optimiser.state.values()} == {STEPS - 1, STEPS}
    # the prototypes rested for one step
    finish(windows, tmp_path / "second", small_preset, steps=2, extends=finished)
    assert [row["step"] for row in read_metrics(tmp_path / "second")] == [0, 1]
    card = model_card(load_config(tmp_path / "second"), None, "a test")
    assert "objective sparsh, 2 steps after 4 of first, seed 0" in card
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before
    assert load_config(tmp_path / "second").core_s > core_s, "what the first run cost is part of it"
    third = prepare(windows, tmp_path / "third", preset_name=small_preset, steps=1, extends=tmp_path / "second")
    assert third.steps_before == STEPS + 2


def test_an_extension_remembers_what_the_first_run_had_seen(finished, windows, session, small_preset, tmp_path):
    other = TactileWindows([load_recording(session(300, seed=1))])
    settings = prepare(other, tmp_path / "second", preset_name=small_preset, steps=1, extends=finished)
    first, second = windows.recordings[0].fingerprint(), other.recordings[0].fingerprint()
    assert settings.data_fingerprints == {f"made_up_0#{first[:8]}": first, f"made_up_1#{second[:8]}": second}
    assert settings.simulated_sessions == 2
    assert prepare(other, tmp_path / "second", preset_name=small_preset, extends=finished) == settings


def test_an_extension_draws_other_windows_than_the_run_it_extends(
    finished, windows, small_preset, tmp_path, monkeypatch
):
    seen, drawn, gather = {}, [], windows.gather
    monkeypatch.setattr(windows, "gather", lambda rows, *more: (drawn.append(rows.tolist()), gather(rows, *more))[1])
    for name, extends in (("new", None), ("extension", finished)):
        settings = prepare(windows, tmp_path / name, preset_name=small_preset, steps=1, extends=extends)
        drawn.clear()
        Training(windows, settings).step(0)
        seen[name] = drawn[0]
    assert seen["new"] != seen["extension"]


def test_what_the_first_run_settled_cannot_be_changed(finished, windows, small_preset, tmp_path):
    with pytest.raises(ConfigError, match="found: objective mae; allowed: objective sparsh"):
        prepare(windows, tmp_path / "x", preset_name=small_preset, objective="mae", steps=1, extends=finished)
    with pytest.raises(ConfigError, match="a finished run; next: choose another --out"):
        prepare(windows, finished, preset_name=small_preset, steps=1, extends=finished)
    prepare(windows, tmp_path / "y", preset_name=small_preset, steps=3, extends=finished)
    with pytest.raises(ConfigError, match="found: other extends"):
        prepare(windows, tmp_path / "y", preset_name=small_preset, steps=3)
    (finished / EXTENSION_FILE).unlink()
    with pytest.raises(ConfigError, match=rf"no {EXTENSION_FILE}: deleted"):
        prepare(windows, tmp_path / "z", preset_name=small_preset, steps=1, extends=finished)


def test_a_run_of_another_versions_networks_is_refused_before_anything_is_written(
    finished, windows, small_preset, small_recipe, tmp_path, monkeypatch
):
    monkeypatch.setitem(PRESETS, small_preset, dataclasses.replace(small_recipe, head_hidden=24))
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"networks of another version: objective\..*next: a new run without"):
            prepare(windows, tmp_path / "second", preset_name=small_preset, steps=1, extends=finished)
    (finished / EXTENSION_FILE).write_bytes(b"torn")
    with pytest.raises(ConfigError, match=f"found: {EXTENSION_FILE}: "):
        prepare(windows, tmp_path / "second", preset_name=small_preset, steps=1, extends=finished)
    assert not (tmp_path / "second").exists()


def test_an_extension_stands_only_with_the_state_that_it_begins_from(
    finished, windows, small_preset, tmp_path, monkeypatch
):
    monkeypatch.setattr(preparing, "begin_from", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare(windows, tmp_path / "second", preset_name=small_preset, steps=1, extends=finished)
    assert not (tmp_path / "second" / RUN_FILE).exists()


def test_schedules_of_an_extension_restart_the_rate_and_leave_the_teacher_slow(small_recipe):
    first, again = Schedules(small_recipe, 100), Schedules(small_recipe, 100, continued=True)
    for step in (0, 3, 50, 99):
        assert again.learning_rate(step) == first.learning_rate(step)
        assert again.weight_decay(step) == first.weight_decay(step)
    assert first.first_momentum == pytest.approx(0.92)
    assert [again.teacher_momentum(step) for step in (0, 99)] == pytest.approx([PAPER_MOMENTUM, 1.0])
    assert again.teacher_temperature(0) == small_recipe.teacher_temperature[1]
    assert first.last_layer_frozen(0)
    assert not again.last_layer_frozen(0)
