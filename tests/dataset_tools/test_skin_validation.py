"""Comparisons of simulated recordings: the same model cannot be told apart, another can."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.reader import open_session
from dataset_tools.skin_validation.ambient_motion import _judge
from dataset_tools.skin_validation.classifier import _area, _logistic
from dataset_tools.skin_validation.comparison import Comparison, compare
from dataset_tools.skin_validation.signals import skin_signals, spectral_distance_db
from drivers.simulated.press_bench import Press
from drivers.simulated.skin.parameter_file import SourceSession
from skin_teleop.cli.press_skin import record_bench
from skin_teleop.cli.report.validation_picture import validation_picture
from skin_teleop.cli.validate_skin import report_lines
from skin_teleop.errors import SessionError
from skin_teleop.rig import Rig, load_rig

PRESSES = (Press(6.0, 3.0, (0, 0, -0.3)), Press(11.0, 3.0, (0.2, 0, -0.5)), Press(16.0, 4.0, (0, 0, -0.6)))
SECONDS = 24.0
OTHER_SKIN = """schema = "skin_teleop.skin/1"
layout = "xela_ah_right"
made_by = "a test"
[parameters.noise_counts]
value = 4.5
unit = "counts"
kind = "guess"
source = "twice the standard"
[parameters.normal_stiffness_n_per_m]
value = 3500.0
unit = "N/m"
kind = "guess"
source = "softer"
[sessions]
[taxels]
dead = [5]
"""


def other_skin(folder: Path) -> str:
    rest = "rest_counts = [" + "[32750.0, 32750.0, 36500.0]," * 368 + "]\n"
    path = folder / "other.toml"
    path.write_text(OTHER_SKIN + "gain = [" + "1.0," * 368 + "]\n" + rest)
    return str(path)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bench")
    rig = load_rig("simulated")
    assert rig.world is not None
    rig = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, min_free_gb=0.0))

    def record(noise_seed: int, **world: object) -> Path:
        there: Rig = dataclasses.replace(rig, world=dataclasses.replace(rig.world, **world))
        return record_bench(folder, there, "press", SECONDS, PRESSES, noise_seed)

    return {
        "one": record(1, seed=31),
        "twin": record(2, seed=32),
        "other": record(3, skin_parameters=other_skin(folder)),
    }


@pytest.fixture(scope="module")
def twins(recordings: dict[str, Path]) -> Comparison:
    return compare(open_session(recordings["one"]), open_session(recordings["twin"]))


def test_two_seeds_of_one_model_are_hardly_told_apart(twins: Comparison) -> None:
    assert abs(twins.score.area - 0.5) < 0.2
    assert twins.score.windows in {(48, 48), (47, 47)}


def test_another_model_is_told_apart(recordings: dict[str, Path], twins: Comparison) -> None:
    comparison = compare(open_session(recordings["one"]), open_session(recordings["other"]))
    figures = comparison.figures()
    assert comparison.score.area > 0.9
    assert figures["second"]["working_taxels"] == 367
    assert figures["first"]["working_taxels"] == 368
    assert figures["second"]["rest_noise_counts"] > 1.8 * figures["first"]["rest_noise_counts"]
    assert figures["marginal_distance_counts"]["z"] > 2 * twins.figures()["marginal_distance_counts"]["z"]


def test_two_simulated_sessions_are_called_that(twins: Comparison) -> None:
    figures = twins.figures()
    text = "\n".join(report_lines(figures))
    assert text.startswith("both simulated: these figures say nothing about a real skin")
    assert "validated" not in text + json.dumps(figures)
    assert figures["both_simulated"] is True
    assert "no motion without touch" in text, "the bench's hand holds still"


def test_a_real_session_stands_in_the_second_place(recordings: dict[str, Path], twins: Comparison) -> None:
    real = open_session(recordings["one"])
    real.meta["simulated"] = False
    with pytest.raises(SessionError, match="a real one, in the first place; next: skin-teleop validate-skin SIM"):
        compare(real, open_session(recordings["twin"]))
    source = SourceSession("lab", "sha256:1", simulated=False)
    signals = twins.second.signals
    lab = dataclasses.replace(signals, recording=dataclasses.replace(signals.recording, source=source))
    side = dataclasses.replace(twins.second, signals=lab)
    assert dataclasses.replace(twins, second=side).what.startswith("simulated against real: one pair")


def test_the_picture_has_units_and_both_recordings(twins: Comparison) -> None:
    figure = validation_picture(twins)
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels[:2] == ["frequency, Hz", "counts"]
    assert [len(axes.lines) for axes in figure.axes[:3]] == [2, 2, 2]


def test_signals_are_changes_from_rest(recordings: dict[str, Path]) -> None:
    signals = skin_signals(open_session(recordings["one"]))
    t_s = signals.recording.t_s
    assert signals.active[t_s < 5].mean() < 1
    assert signals.active[(t_s > 17) & (t_s < 19)].mean() > 100, "an even press on flat pads: the field hides a part"
    assert signals.rate_hz == pytest.approx(100)


def test_the_earths_field_is_found_and_explains_the_motion() -> None:
    rng = np.random.default_rng(1)
    per_ut = rng.normal(size=(100, 18, 3, 3))
    earth_ut = np.array([20.0, 5.0, -43.0])
    others = rng.normal(size=(100, 18, 3))
    field = per_ut @ earth_ut + others + 7.0
    found = _judge(field, others, per_ut)
    assert found.explained == pytest.approx(1, abs=1e-9)
    assert found.earth_ut == pytest.approx(np.linalg.norm(earth_ut))
    assert _judge(rng.normal(size=field.shape), others, per_ut).explained < 0.1, "noise is not explained"


def test_the_area_counts_pairs_in_order() -> None:
    assert _area(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1.0
    assert _area(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == 0.5
    assert _area(np.array([1.0]), np.array([1.0])) == 0.5


def test_logistic_regression_finds_the_direction() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(4000, 2))
    second = rng.random(4000) < 1 / (1 + np.exp(-(0.5 + 2 * table[:, 0])))
    np.testing.assert_allclose(_logistic(table, second), [0.5, 2.0, 0.0], atol=0.2)


def test_a_spectrum_ten_times_as_strong_is_ten_decibels_apart() -> None:
    frequency = np.arange(1.0, 50.0)
    assert spectral_distance_db((frequency, np.ones(49)), (frequency, np.full(49, 10.0))) == pytest.approx(10)
    assert spectral_distance_db(None, (frequency, np.ones(49))) is None
