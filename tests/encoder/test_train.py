from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import torch

from encoder import train as trainer
from encoder.interrupt import stop_on_interrupt
from encoder.prepare import prepare
from encoder.presets import PRESETS
from encoder.run_folder import METRICS_FILE, RUN_FILE, MetricsLog, read_metrics, stored_states
from encoder.train import Checkpoints, Training, train
from encoder.training_state import restore_state, save_state
from encoder.windows import TactileWindows
from skin_teleop.errors import ConfigError, TrainingError

STEPS = 6


@pytest.fixture(scope="module")
def windows(recording):
    return TactileWindows([recording])


def run(windows, folder, preset_name, **more):
    settings = prepare(windows, folder, preset_name=preset_name, steps=STEPS)
    return train(windows, settings, folder, **more)


def assert_same_weights(first, second):
    for (name, a), b in zip(first.objective.state_dict().items(), second.objective.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_same_seed_gives_the_same_run_and_another_seed_another(windows, small_preset, tmp_path):
    runs = [run(windows, tmp_path / name, small_preset) for name in "ab"]
    assert_same_weights(*runs)
    assert (tmp_path / "a" / METRICS_FILE).read_bytes() == (tmp_path / "b" / METRICS_FILE).read_bytes()
    settings = prepare(windows, tmp_path / "c", preset_name=small_preset, steps=STEPS, seed=1)
    other = train(windows, settings, tmp_path / "c")
    assert not torch.equal(other.objective.student.head.prototypes, runs[0].objective.student.head.prototypes)


def test_the_student_learns_and_the_teacher_follows(windows, small_preset, tmp_path):
    training = run(windows, tmp_path / "run", small_preset)
    start = Training(windows, training.settings)
    for network in ("student", "teacher"):
        before, after = (getattr(t.objective, network).encoder.patch.weight for t in (start, training))
        assert not torch.equal(before, after)
    mean, _ = windows.flux_statistics()
    assert training.objective.teacher.encoder.flux_mean.tolist() == pytest.approx(mean.tolist(), rel=1e-5)


def test_metrics_have_a_row_a_step_with_every_figure(windows, small_preset, tmp_path):
    run(windows, tmp_path / "run", small_preset)
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == list(range(STEPS))
    assert set(rows[0]) == {
        "step",
        "loss",
        "summary_loss",
        "masked_token_loss",
        "koleo",
        "learning_rate",
        "teacher_momentum",
        "teacher_entropy",
        "prototypes_used",
        "feature_std",
        "token_std",
        "teacher_student_cosine",
        "rankme",
        "rankme_tokens",
    }


def test_interrupted_run_resumes_bit_for_bit(windows, small_preset, tmp_path):
    whole = run(windows, tmp_path / "whole", small_preset)
    stop = threading.Event()

    def stop_after_two(done, steps, loss):
        assert steps == STEPS
        if done == 2:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        run(windows, tmp_path / "parts", small_preset, on_step=stop_after_two, stop=stop)
    assert [path.name for path in stored_states(tmp_path / "parts")] == ["training-000000003.safetensors"]
    torch.manual_seed(4242)  # what happened to torch's generator in between must not matter
    resumed_from = []
    resumed = run(windows, tmp_path / "parts", small_preset, on_step=lambda done, *_: resumed_from.append(done))
    assert resumed_from == [4, 5, 6]
    assert_same_weights(whole, resumed)
    assert read_metrics(tmp_path / "parts") == read_metrics(tmp_path / "whole")


def test_killed_run_goes_on_from_its_last_state(windows, small_preset, small_recipe, tmp_path):
    """A process is killed without warning after step 4; states were stored after every step, metrics a row ahead."""
    script = textwrap.dedent(f"""
        import os, signal, sys, torch
        torch.set_num_threads(1)
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import make_session
        from encoder import presets, train as trainer
        from encoder.prepare import prepare
        from encoder.presets import EncoderSize, Recipe
        from encoder.session_data import load_recording
        from encoder.windows import TactileWindows
        from pathlib import Path
        presets.PRESETS["small_test"] = {small_recipe!r}
        trainer.CHECKPOINT_EVERY_S, trainer.CHECKPOINT_WRITES = 0.0, 0
        folder, windows = Path({str(tmp_path / "killed")!r}), TactileWindows([load_recording(make_session())])
        settings = prepare(windows, folder, preset_name="small_test", steps={STEPS})
        def die(done, steps, loss):
            if done == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        trainer.train(windows, settings, folder, on_step=die)
    """)
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert killed.returncode == -signal.SIGKILL
    with (tmp_path / "killed" / METRICS_FILE).open("ab") as metrics:
        metrics.write(b'{"step": 4, "loss": 1.0}\n{"step": 5, "lo')  # rows after the state, the last cut short
    resumed_from = []
    resumed = run(windows, tmp_path / "killed", small_preset, on_step=lambda done, *_: resumed_from.append(done))
    assert resumed_from == [5, 6]
    assert_same_weights(run(windows, tmp_path / "whole", small_preset), resumed)
    assert read_metrics(tmp_path / "killed") == read_metrics(tmp_path / "whole")


def test_three_states_are_kept_and_a_broken_one_is_passed_over(windows, small_preset, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(trainer, "CHECKPOINT_EVERY_S", -1.0)
    monkeypatch.setattr(trainer, "CHECKPOINT_WRITES", -1)
    whole = run(windows, tmp_path / "whole", small_preset)
    kept = stored_states(tmp_path / "whole")
    assert [path.stem for path in kept] == [f"training-{step:09d}" for step in (6, 5, 4)]
    kept[0].write_bytes(b"cut short")
    resumed_from = []
    resumed = run(windows, tmp_path / "whole", small_preset, on_step=lambda done, *_: resumed_from.append(done))
    assert resumed_from == [6]
    assert "training-000000006.safetensors cannot be read" in caplog.text
    assert_same_weights(whole, resumed)


@pytest.mark.parametrize("objective", ["jepa", "mae", "byol"])
def test_every_objective_resumes_bit_for_bit(objective, windows, small_preset, tmp_path):
    def begin(folder):
        return prepare(windows, folder, preset_name=small_preset, objective=objective, steps=3)

    whole = train(windows, begin(tmp_path / "whole"), tmp_path / "whole")
    stop = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        train(windows, begin(tmp_path / "parts"), tmp_path / "parts", on_step=lambda *_: stop.set(), stop=stop)
    assert_same_weights(whole, train(windows, begin(tmp_path / "parts"), tmp_path / "parts"))
    with pytest.raises(ConfigError, match="found: other objective"):
        prepare(windows, tmp_path / "parts", preset_name=small_preset, steps=3)


def test_ctrl_c_is_taken_between_steps():
    usual = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        assert signal.getsignal(signal.SIGINT) is usual
    assert signal.getsignal(signal.SIGINT) is usual


def test_third_loss_in_a_row_that_is_not_a_number_ends_the_run(windows, small_preset, tmp_path):
    settings = prepare(windows, tmp_path / "run", preset_name=small_preset, steps=STEPS)
    training = Training(windows, settings)
    with torch.no_grad():
        training.objective.student.head.prototypes.fill_(float("nan"))
    weights = training.objective.student.encoder.patch.weight.clone()
    training.step(1)
    training.step(2)
    with pytest.raises(TrainingError, match=r"step 3 .*3 bad steps in a row: a loss of nan.*weights head.prototypes"):
        training.step(3)
    assert torch.equal(training.objective.student.encoder.patch.weight, weights)


def test_a_run_whose_first_step_is_no_number_ends_with_its_diagnosis(windows, small_preset, tmp_path, monkeypatch):
    build = Training.__init__

    def broken(self, *arguments):
        build(self, *arguments)
        torch.nn.init.constant_(self.objective.student.encoder.norm.weight[:1], float("nan"))

    monkeypatch.setattr(Training, "__init__", broken)
    settings = prepare(windows, tmp_path, preset_name=small_preset, objective="mae", steps=STEPS)
    with pytest.raises(TrainingError, match=r"step 2 .*3 bad steps in a row: a loss of nan.*encoder.norm.weight"):
        train(windows, settings, tmp_path)
    lines = (tmp_path / METRICS_FILE).read_text().splitlines()
    assert [json.loads(line, parse_constant=pytest.fail)["loss"] for line in lines] == [None, None]
    assert read_metrics(tmp_path)[0]["rankme"] is None
    assert MetricsLog(tmp_path, 1) is not None, "such rows do not keep a run from going on"


def test_states_are_stored_less_often_where_writing_is_slow(windows, small_preset, tmp_path, monkeypatch):
    now, writing_s = [100.0], iter((0.5, 3.0, 0.5))
    monkeypatch.setattr(trainer.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(trainer, "save_state", lambda *_: now.__setitem__(0, now[0] + next(writing_s)))
    settings = prepare(windows, tmp_path, preset_name=small_preset, steps=STEPS)
    checkpoints, stored_at = Checkpoints(tmp_path, Training(windows, settings)), []
    for _ in range(3):
        while not checkpoints.due:
            now[0] += 1.0
        stored_at.append(now[0])
        checkpoints.store(1)
    assert stored_at == [121.0, 142.5, 206.5]  # 20 s, 20 s and twenty times 3 s after the write before


def test_core_seconds_of_earlier_calls_are_added(windows, small_preset, tmp_path):
    stop = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        run(windows, tmp_path / "run", small_preset, on_step=lambda *_: stop.set(), stop=stop)
    begun = Training(windows, prepare(windows, tmp_path / "run", preset_name=small_preset))
    steps, spent_s = restore_state(tmp_path / "run", begun.objective, begun.optimiser)
    assert spent_s > 0
    save_state(tmp_path / "run", begun.objective, begun.optimiser, steps, 5000.0)
    assert 5000 < run(windows, tmp_path / "run", small_preset).core_s < 5100


def test_a_run_that_another_versions_networks_began_is_not_resumed(
    windows, small_preset, small_recipe, tmp_path, monkeypatch
):
    stop = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        run(windows, tmp_path, small_preset, on_step=lambda *_: stop.set(), stop=stop)
    monkeypatch.setitem(PRESETS, small_preset, dataclasses.replace(small_recipe, head_hidden=24))
    with pytest.raises(ConfigError, match=r"networks of another version: objective\..*next: choose another --out"):
        run(windows, tmp_path, small_preset)


def test_what_a_killed_run_left_half_written_is_removed(windows, small_preset, tmp_path):
    settings = prepare(windows, tmp_path, preset_name=small_preset, steps=STEPS)
    leftover = tmp_path / ".training-000000003.safetensors.0123abcd.tmp"
    leftover.write_bytes(b"half")
    train(windows, settings, tmp_path)
    assert not leftover.exists() and len(list(tmp_path.glob("training-*.safetensors"))) == 1


def test_finished_or_foreign_folders_are_left_alone(windows, small_preset, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="a finished run; next: choose another --out"):
        prepare(windows, tmp_path, preset_name=small_preset, steps=1)
    (tmp_path / "model.safetensors").rename(tmp_path / "thesis.txt")
    with pytest.raises(ConfigError, match="a folder with other files"):
        prepare(windows, tmp_path, preset_name=small_preset, steps=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_resuming_with_other_settings_is_refused(windows, small_preset, tmp_path):
    prepare(windows, tmp_path, preset_name=small_preset, steps=3, seed=5)
    assert prepare(windows, tmp_path, preset_name=small_preset, seed=5).steps == 3
    with pytest.raises(ConfigError, match="found: other seed, steps"):
        prepare(windows, tmp_path, preset_name=small_preset, steps=4, seed=6)


def test_time_becomes_a_stored_number_of_steps(windows, small_preset, tmp_path, monkeypatch):
    """A clock that advances 1 s a reading: a step takes 1 s, and 10 of the 30 s are gone after the timing."""
    ticks = iter(range(100))
    monkeypatch.setattr(trainer.time, "monotonic", lambda: float(next(ticks)))
    settings = prepare(windows, tmp_path, preset_name=small_preset, max_time_s=30.0)
    assert settings.steps == 18  # 0.9 * (30 - 10) / 1
    assert (tmp_path / RUN_FILE).exists()


def test_vectors_do_not_decay(windows, small_preset, tmp_path):
    training = Training(windows, prepare(windows, tmp_path, preset_name=small_preset, steps=3))
    training.step(0)
    decaying, still = training.optimiser.param_groups
    assert decaying["weight_decay"] > 0
    assert still["weight_decay"] == 0
    assert {p.dim() for p in still["params"]} == {1}
