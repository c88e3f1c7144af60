"""Fits of simulated skins whose truth is known, with unseen seeds and parameters away from the standard ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dataset_tools.skin_fit.fit import SkinFit, fit_skin
from dataset_tools.skin_fit.forces import COLUMNS, Forces, read_weights
from dataset_tools.skin_fit.recording import SkinRecording
from dataset_tools.skin_fit.response import SkinResponse, lagging
from dataset_tools.skin_fit.rest import fit_rest
from drivers.simulated.press_bench import PROTOCOL, PROTOCOL_S, STILL_POSE, STILL_RAD, Press, bench_frames
from drivers.simulated.rig_skin import rig_skin
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.pad_poses import pad_poses
from drivers.simulated.skin.parameter_file import SourceSession, load_skin_file, skin_file_text
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin.readout import MAX_COUNTS
from skin_teleop.errors import ConfigError, SessionError
from skin_teleop.hand import hand_model
from skin_teleop.rig import WorldConfig
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
HAND = hand_model("allegro_v4_right")
PERTURBED = dataclasses.replace(
    SkinParameters(),
    noise_counts=3.1,
    hysteresis=0.06,
    hysteresis_s=0.6,
    creep=0.05,
    creep_s=13.0,
    normal_stiffness_n_per_m=6500.0,
    shear_stiffness_n_per_m=1700.0,
    tesla_per_count=2.7e-7,
    dead_share=0.01,
    stuck_share=0.01,
    saturated_share=0.005,
)
STILL = pad_poses(LAYOUT, HAND, STILL_RAD, STILL_POSE)


def recorded(
    skin: MagneticSkin, seconds: float, presses: tuple[Press, ...] = (), travel_rad: float | None = 0.0
) -> tuple[SkinRecording, Forces]:
    frames = list(bench_frames(skin, LAYOUT, HAND, seconds, presses, 5))
    t_ns = (10_000_000 * np.arange(len(frames))).astype(np.int64)
    flux = np.array([frame.counts for frame in frames])
    source = SourceSession("bench", "sha256:0", True)
    recording = SkinRecording("bench", source, LAYOUT, t_ns / 1e9, t_ns, flux, travel_rad)
    return recording, Forces(np.array([f.taxel_force_n for f in frames], np.float32), True, "the stream truth")


@pytest.fixture(scope="module")
def baseline() -> SkinRecording:
    return recorded(MagneticSkin(LAYOUT, 23, PERTURBED, 1001), 30.0)[0]


@pytest.fixture(scope="module")
def fit(baseline: SkinRecording) -> SkinFit:
    return fit_skin(baseline, *recorded(MagneticSkin(LAYOUT, 23, PERTURBED, 1002), PROTOCOL_S, PROTOCOL))


def test_noise_of_a_perturbed_skin_is_found_within_ten_percent(fit: SkinFit) -> None:
    assert fit.file.parameters["noise_counts"].value == pytest.approx(3.1, rel=0.10)


@pytest.mark.parametrize("name", ["hysteresis_s", "creep_s"])
def test_time_constants_are_found_within_twenty_percent(fit: SkinFit, name: str) -> None:
    entry = fit.file.parameters[name]
    assert entry.value == pytest.approx(getattr(PERTURBED, name), rel=0.20)
    assert entry.low is not None and entry.high is not None
    assert entry.low < entry.value < entry.high


def test_the_dead_mask_is_exact(fit: SkinFit) -> None:
    broken = MagneticSkin(LAYOUT, 23, PERTURBED).readout.broken
    assert broken.sum() >= 3, "a test without dead taxels could not fail"
    assert fit.file.taxels.dead == np.flatnonzero(broken).tolist()


def counts_under(skin: MagneticSkin, force_n: np.ndarray) -> np.ndarray:
    """Mean change of counts (368, 3) under a force, five seconds after it came, without what drifts."""
    quiet = skin
    rest = np.mean([quiet.step(np.zeros((368, 3)), np.zeros(18), STILL, 0.01) for _ in range(60)], axis=0)
    return np.mean([quiet.step(force_n, np.zeros(18), STILL, 0.01) for _ in range(500)][-60:], axis=0) - rest


@pytest.mark.parametrize(("axis", "newton"), [(2, -0.6), (0, 0.25)])
def test_the_fitted_skin_shows_the_counts_per_newton_of_the_true_one(fit: SkinFit, axis: int, newton: float) -> None:
    force_n = np.zeros((368, 3))
    force_n[:, axis], force_n[:, 2] = newton, -0.6
    true = counts_under(MagneticSkin(LAYOUT, 23, PERTURBED, 3), force_n)[:, axis]
    fitted = MagneticSkin(LAYOUT, 99, fit.file.skin_parameters(), 4, fit.file.measured_taxels())
    ratio = (counts_under(fitted, force_n)[:, axis] / np.where(true == 0, np.nan, true))[~fitted.readout.broken]
    flat = np.array([pad.kind != "curved" for pad in LAYOUT.pads])[LAYOUT.pad_index][~fitted.readout.broken]
    assert np.nanmean(ratio[flat]) == pytest.approx(1, abs=0.05)
    if axis == 2:
        assert np.nanmean(np.abs(ratio - 1) < 0.05) > 0.9, "nine of ten taxels within 5 %"


def test_the_fitted_skin_rests_where_the_baseline_did(fit: SkinFit, baseline: SkinRecording) -> None:
    fitted = MagneticSkin(LAYOUT, 99, fit.file.skin_parameters(), 4, fit.file.measured_taxels())
    for _ in range(2):
        counts = fitted.step(np.zeros((368, 3)), np.zeros(18), STILL, 0.01)
    assert np.abs(counts - np.median(baseline.flux, axis=0)).max() < 25
    np.testing.assert_array_equal(fitted.readout.broken, MagneticSkin(LAYOUT, 23, PERTURBED).readout.broken)


def test_every_fitted_parameter_names_its_recording(fit: SkinFit) -> None:
    assert {entry.kind for entry in fit.file.parameters.values()} == {"fitted"}
    assert all("bench, sha256:0" in entry.source for entry in fit.file.parameters.values())
    assert fit.presses.explained > 0.99
    assert fit.unpressed == []


def test_the_file_comes_back_as_it_was_written(fit: SkinFit, tmp_path: Path) -> None:
    path = tmp_path / "skin.toml"
    path.write_text(skin_file_text(fit.file))
    again = load_skin_file(path, LAYOUT.name)
    assert again.sessions == fit.file.sessions
    assert again.taxels.dead == fit.file.taxels.dead
    assert again.parameters["creep_s"].value == pytest.approx(fit.file.parameters["creep_s"].value, rel=1e-5)
    np.testing.assert_allclose(again.taxels.gain, fit.file.taxels.gain, atol=1e-4)
    skin = rig_skin(LAYOUT, WorldConfig(skin_parameters=str(path)))
    assert skin.parameters.noise_counts == pytest.approx(3.1, rel=0.1)
    assert skin.readout.broken.sum() == len(again.taxels.dead)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[parameters.creep]", "[parameters.creeep]", "unknown parameter; found: creeep; allowed: contact_reach_m"),
        ('unit = "counts"', 'unit = "mT"', "unit of noise_counts; found: mT; allowed: counts"),
        ("made_by", "made_with", "unknown field `made_with`"),
        ("dead = [", "dead = [400, ", "allowed: indices 0 to 367"),
        ("gain = [\n", "gain = [\n  1.0,\n", "rows of taxels.gain; found: 369; allowed: 368"),
        ('layout = "xela_ah_right"', 'layout = "xela_ah_left"', "found: xela_ah_left; allowed: xela_ah_right"),
    ],
)
def test_a_wrong_file_is_refused_by_the_key(fit: SkinFit, tmp_path: Path, old: str, new: str, words: str) -> None:
    text = skin_file_text(fit.file)
    assert old in text
    path = tmp_path / "skin.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        load_skin_file(path, LAYOUT.name)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="next: skin-teleop fit-skin --baseline"):
        load_skin_file(tmp_path / "no.toml", LAYOUT.name)


def test_a_short_baseline_is_refused(baseline: SkinRecording) -> None:
    short = dataclasses.replace(baseline, t_s=baseline.t_s[:1500], flux=baseline.flux[:1500])
    with pytest.raises(SessionError, match=r"found: 15\.0 s; allowed: at least 20 s"):
        fit_rest(short)


def test_a_baseline_of_a_moving_hand_is_refused(baseline: SkinRecording) -> None:
    with pytest.raises(SessionError, match=r"a joint that moved by 0\.300 rad"):
        fit_rest(dataclasses.replace(baseline, joint_travel_rad=0.3))


def test_a_touched_baseline_is_refused(baseline: SkinRecording) -> None:
    touched = baseline.flux.copy()
    touched[2000:2300, 150, 2] += 60
    with pytest.raises(SessionError, match=r"must show a skin at rest.*a taxel of"):
        fit_rest(dataclasses.replace(baseline, flux=touched))


def test_a_press_that_was_too_short_is_refused(baseline: SkinRecording) -> None:
    recording, forces = recorded(MagneticSkin(LAYOUT, 23, PERTURBED, 5), 9.0, (Press(2.0, 2.0, (0, 0, -0.5)),))
    with pytest.raises(SessionError, match=r"must show how the skin creeps.*next: lay a weight flat"):
        fit_skin(baseline, recording, forces)


def test_lags_follow_the_formula() -> None:
    step = np.ones((200, 1, 3))
    shown = lagging(step, 0.04, 0.1, 0.4, 0.2, 10.0)[:, 0, 2]
    t_s = 0.04 * np.arange(1, 201)
    np.testing.assert_allclose(shown, 1 - 0.1 * np.exp(-t_s / 0.4) - 0.2 * np.exp(-t_s / 10), atol=1e-9)


def test_the_response_over_time_is_that_of_the_stepwise_model() -> None:
    quiet = dataclasses.replace(
        SkinParameters(), noise_counts=0, walk_counts=0, warm_up_k=0, moment_spread=0, gain_spread=0, creep=0
    )
    force_n = np.zeros((368, 3))
    force_n[:, 2] = np.random.default_rng(3).uniform(-0.8, -0.2, 368)
    live = counts_under(MagneticSkin(LAYOUT, 7, quiet), force_n)
    response = SkinResponse(LAYOUT, quiet)
    for pad in LAYOUT.pads:
        at_once = response.counts(pad.index, response.pressed_m(pad.index, force_n[None, pad.taxels]))[0]
        np.testing.assert_allclose(at_once[:, 2], live[pad.taxels, 2], atol=2 + 0.002 * MAX_COUNTS / 65)


def weights_file(folder: Path, *rows: str) -> Path:
    path = folder / "weights.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def test_weights_are_read_with_their_signs(tmp_path: Path) -> None:
    known, unknown = read_weights(weights_file(tmp_path, "link_2,1,31,9.81,0.5,0", "link_6,40,70,,,"), LAYOUT)
    assert (known.pad.name, known.start_s, known.end_s, known.force_n) == ("link_2", 1.0, 31.0, (0.5, 0.0, -9.81))
    assert (unknown.pad.name, unknown.force_n) == ("link_6", None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("link_2,5,5,9.81,0,0", "row 1 of .*0 <= start_s < end_s"),
        ("link_2,1,x,9.81,0,0", "could not convert string to float: 'x'"),
        ("link_2,1,2,-3,0,0", "normal_n up to 200 N"),
        ("link_99,1,2,3,0,0", "pad 'link_99' was asked for; allowed: "),
    ],
)
def test_a_wrong_row_of_weights_is_named(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_weights(weights_file(tmp_path, row), LAYOUT)
