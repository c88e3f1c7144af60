"""Golden tests of the magnetic skin: formulas against their definitions, figures against their sources."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulated.skin.ambient import AmbientField, PadPoses
from drivers.simulated.skin.elastomer import Elastomer
from drivers.simulated.skin.footprint import SHAPES, Footprint, signed_distance_m
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.magnets import Magnets, dipole_field_t, dipole_gradient_t_per_m
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin.parameters import KINDS, SkinParameters, provenance
from drivers.simulated.skin.readout import Readout
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import skin_layout, taxel_frames
from skin_teleop.transforms import rotation_from_rpy

LAYOUT = skin_layout()
GRID = PadGrid(LAYOUT)
STANDARD = SkinParameters()
NO_FORCE, NO_SLIP = np.zeros((368, 3)), np.zeros(18)
PLACES_M = np.random.default_rng(0).uniform(-0.1, 0.1, (18, 3))
STILL = PadPoses(np.tile(np.eye(3), (18, 1, 1)), PLACES_M)

pytestmark = pytest.mark.usefixtures("skin_code")


def changed(**values: float) -> SkinParameters:
    return dataclasses.replace(STANDARD, **values)


def settled(force: np.ndarray, parameters: SkinParameters = STANDARD) -> np.ndarray:
    """Mean change of counts (368, 3) from rest after four seconds under a constant force."""
    quiet = dataclasses.replace(parameters, warm_up_k=0.0, walk_counts=0.0)
    skin = MagneticSkin(LAYOUT, 7, quiet)
    rest = np.mean([skin.step(NO_FORCE, NO_SLIP, STILL, 0.01) for _ in range(50)], axis=0)
    return np.mean([skin.step(force, NO_SLIP, STILL, 0.01) for _ in range(400)][-50:], axis=0) - rest


def even(pad_name: str, force_n: tuple[float, float, float]) -> tuple[slice, np.ndarray]:
    force = NO_FORCE.copy()
    taxels = LAYOUT.pad(pad_name).taxels
    force[taxels] = force_n
    return taxels, force


# footprint


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.004, 0.004), min_size=30, max_size=30), st.integers(0, 17))
def test_shares_of_any_distances_add_up_to_one(distances: list[float], pad: int) -> None:
    footprint = Footprint(GRID, STANDARD, np.random.default_rng(1))
    shares = footprint.shares(np.array([pad]), np.array([distances]), np.zeros((1, 3)))
    assert abs(shares.sum() - 1) < 1e-12
    assert (shares >= 0).all()
    assert not shares[0, ~GRID.is_taxel[pad]].any(), "a place without a taxel takes nothing"


SIZES_M = {
    "plane": (0, 0, 0),
    "sphere": (0.03, 0, 0),
    "capsule": (0.02, 0.03, 0),
    "ellipsoid": (0.03, 0.03, 0.03),
    "cylinder": (0.03, 0.05, 0),
    "box": (0.03, 0.02, 0.01),
}
POINTS_M = [[0, 0, 0.1], [0.1, 0, 0], [0, 0, 0], [0.05, 0.04, 0.0]]
DISTANCES_M = {
    "plane": [0.1, 0, 0, 0],
    "sphere": [0.07, 0.07, -0.03, np.hypot(0.05, 0.04) - 0.03],
    "capsule": [0.05, 0.08, -0.02, np.hypot(0.05, 0.04) - 0.02],
    "cylinder": [0.05, 0.07, -0.03, np.hypot(0.05, 0.04) - 0.03],
    "box": [0.09, 0.07, -0.01, np.hypot(0.02, 0.02)],
}


@pytest.mark.parametrize("shape", DISTANCES_M)
def test_signed_distances_of_known_points(shape: str) -> None:
    found = signed_distance_m(shape, np.array([SIZES_M[shape]], float), np.array([POINTS_M]))
    np.testing.assert_allclose(found, [DISTANCES_M[shape]], atol=1e-12)


def test_a_round_ellipsoid_is_a_sphere() -> None:
    points = np.random.default_rng(2).uniform(-0.06, 0.06, (1, 50, 3))
    sphere = signed_distance_m("sphere", np.array([SIZES_M["sphere"]], float), points)
    np.testing.assert_allclose(signed_distance_m("ellipsoid", np.array([SIZES_M["ellipsoid"]]), points), sphere)


def test_a_shape_without_a_distance_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=f"mesh.*allowed: {', '.join(SHAPES)}"):
        signed_distance_m("mesh", np.zeros((1, 3)), np.zeros((1, 1, 3)))


# magnets


def test_the_field_on_a_dipoles_axis_is_the_textbooks() -> None:
    # B = 2 (mu0/4pi) m / h^3: 3e-4 A m^2 at 3 mm gives 2.22 mT; its derivative there is 6 (mu0/4pi) m / h^4.
    moment, above = np.array([0, 0, 3e-4]), np.array([0, 0, -0.003])
    np.testing.assert_allclose(dipole_field_t(above, moment), [0, 0, 2e-7 * 3e-4 / 0.003**3], rtol=1e-12, atol=1e-18)
    slope = dipole_gradient_t_per_m(above, moment)[2, 2]
    assert slope == pytest.approx(6e-7 * 3e-4 / 0.003**4, rel=1e-12)
    assert slope == pytest.approx(2.22, rel=0.01), "2.2 uT per um"


@pytest.mark.parametrize("seed", range(3))
def test_the_dipoles_gradient_is_its_derivative_and_free_of_sources(seed: int) -> None:
    rng = np.random.default_rng(seed)
    r_m, moment = rng.uniform(-0.01, 0.01, 3), rng.normal(0, 3e-4, 3)
    step = 1e-7
    measured = [
        (dipole_field_t(r_m + step * axis, moment) - dipole_field_t(r_m - step * axis, moment)) / (2 * step)
        for axis in np.eye(3)
    ]
    gradient = dipole_gradient_t_per_m(r_m, moment)
    np.testing.assert_allclose(gradient, np.transpose(measured), rtol=1e-5, atol=1e-9 * np.abs(gradient).max())
    assert abs(np.trace(gradient)) < 1e-12 * np.abs(gradient).max(), "div B = 0"


def exact_signal_t(magnets: Magnets, pad: int, moved_m: np.ndarray) -> np.ndarray:
    """Every magnet of a pad at every cell by the dipole formula alone, taxel frames, (30, 3)."""
    taxels = np.flatnonzero(GRID.is_taxel[pad])
    turn, place = GRID.to_taxel[pad], GRID.position_m[pad]
    tilt = STANDARD.magnet_tilt / STANDARD.magnet_height_m
    signal = np.zeros((30, 3))
    for i in taxels:
        cell = place[i] - STANDARD.magnet_height_m * turn[i, 2]
        for j in taxels:
            for sign, moved in ((1, moved_m[j]), (-1, np.zeros(3))):
                lean = np.array([tilt * moved[0], tilt * moved[1], 1]) @ turn[j]
                magnet = place[j] + moved @ turn[j]
                signal[i] += sign * turn[i] @ dipole_field_t(cell - magnet, magnets.moment_a_m2[pad, j] * lean)
    return signal


@pytest.mark.parametrize("pad_name", ["link_2", "ahr_palm_2", "0aftc"])
def test_the_fast_field_is_that_of_all_dipoles(pad_name: str) -> None:
    """Own magnets exactly, the others to first order: 2 % of the signal at 0.1 mm, 10 % at half a millimetre."""
    pad = LAYOUT.pad(pad_name).index
    magnets = Magnets(GRID, STANDARD, np.random.default_rng(3))
    for reach_m, share in ((1e-4, 0.02), (5e-4, 0.10)):
        moved = np.zeros((18, 30, 3), np.float32)
        moved[pad] = reach_m * np.random.default_rng(4).uniform(-1, 0, (30, 3)) * GRID.is_taxel[pad][:, None]
        exact = exact_signal_t(magnets, pad, moved[pad].astype(float))
        found = magnets.signal_t(moved)
        np.testing.assert_allclose(found[pad], exact, atol=share * np.abs(exact).max())
        assert not np.delete(found, pad, axis=0).any(), "a pad at rest has no signal"


def test_magnets_differ_by_the_moment_spread() -> None:
    moment = Magnets(GRID, STANDARD, np.random.default_rng(5)).moment_a_m2[GRID.is_taxel]
    assert moment.std() / moment.mean() == pytest.approx(STANDARD.moment_spread, rel=0.15)


# ambient


def ambient(**values: float) -> AmbientField:
    parameters = changed(**values)
    return AmbientField(LAYOUT, GRID, parameters, Magnets(GRID, parameters, np.random.default_rng(3)).moment_a_m2)


def test_the_earths_field_turns_with_the_pad_and_is_common_to_a_flat_pad() -> None:
    turned = rotation_from_rpy(np.random.default_rng(6).uniform(-3, 3, (18, 3)))
    field = ambient(magnet_moment_a_m2=0.0).at_taxels_t(PadPoses(turned, PLACES_M))
    earth = np.array([STANDARD.earth_x_t, STANDARD.earth_y_t, STANDARD.earth_z_t])
    for pad in LAYOUT.pads:
        if pad.kind != "curved":
            np.testing.assert_allclose(
                field[pad.taxels], np.tile(turned[pad.index].T @ earth, (pad.count, 1)), atol=1e-11
            )
            assert np.ptp(field[pad.taxels], axis=0).max() < 1e-11


def test_pads_that_approach_each_other_see_each_others_magnets() -> None:
    field = ambient(earth_x_t=0.0, earth_y_t=0.0, earth_z_t=0.0)
    a, b = LAYOUT.pad("link_2"), LAYOUT.pad("ahr_palm_1")
    seen = []
    for gap_m in (0.02, 0.04):
        places = np.tile([0.5, 0.0, 0.0], (18, 1))
        places[a.index], places[b.index] = [0, 0, 0], [0, 0, gap_m]
        seen.append(np.abs(field.at_taxels_t(PadPoses(STILL.rotation, places))[a.taxels]))
    assert 60e-6 < seen[0].max() < 500e-6, "a 16-magnet pad at 20 mm gives 120 uT, this one has 24"
    assert np.ptp(seen[0][:, 2]) > 20e-6, "not common to the pad"
    assert 4 < seen[0].max() / seen[1].max() < 9, "it falls with about the third power"


def test_other_pads_are_point_dipoles_by_the_formula() -> None:
    places = PLACES_M * 2
    turned = rotation_from_rpy(np.random.default_rng(8).uniform(-3, 3, (18, 3)))
    magnets = Magnets(GRID, STANDARD, np.random.default_rng(3))
    found = ambient(earth_x_t=0.0, earth_y_t=0.0, earth_z_t=0.0).at_taxels_t(PadPoses(turned, places))
    pad = LAYOUT.pad("link_6")
    k = pad.first + 3
    cell = places[pad.index] + turned[pad.index] @ (GRID.position_m[pad.index, 3] - [0, 0, STANDARD.magnet_height_m])
    total = np.zeros(3)
    for other in LAYOUT.pads:
        if other.link != pad.link:
            normal = GRID.to_taxel[other.index][:, 2]
            moment = turned[other.index] @ (magnets.moment_a_m2[other.index][:, None] * normal).sum(0)
            r = cell - places[other.index]
            softened = (r @ r + 0.008**2) ** 0.5
            total += 1e-7 * (3 * r * (r @ moment) / softened**5 - moment / softened**3)
    np.testing.assert_allclose(found[k], turned[pad.index].T @ total, atol=2e-3 * np.abs(total).max())


# counts


def test_an_even_press_gives_the_data_sheets_counts() -> None:
    """uSPa46: 1370 counts/N normal (10085 at 7.35 N) and 1600 counts/N shear."""
    taxels, press = even("ahr_palm_2", (0, 0, -1.0))
    change = settled(press)[taxels]
    assert change[:, 2].mean() == pytest.approx(1370, rel=0.1)
    assert np.abs(change[:, :2].mean(0)).max() < 50
    taxels, drag = even("ahr_palm_2", (0.5, -0.25, 0))
    sheared = settled(drag)[taxels].mean(0)
    np.testing.assert_allclose(sheared[:2], [800, -400], rtol=0.15)


@pytest.mark.parametrize("pad", LAYOUT.pads, ids=lambda pad: pad.name)
def test_a_newton_is_300_to_1500_counts_everywhere(pad) -> None:
    taxels, press = even(pad.name, (0, 0, -1.0))
    assert 300 < settled(press)[taxels, 2].mean() < 1500


def test_a_pressed_taxel_is_felt_by_its_neighbours_and_not_by_other_pads() -> None:
    pad = LAYOUT.pad("link_2")
    force = NO_FORCE.copy()
    force[pad.first + 5, 2] = -1.0
    change = np.abs(settled(force)).max(-1)
    others = np.delete(change, pad.taxels)
    own = change[pad.taxels]
    assert own.argmax() == 5
    assert 0.1 < np.sort(own)[-2] / own.max() < 0.6
    assert others.max() < 2.0


def test_a_press_drags_the_neighbours_outward() -> None:
    """The Poisson bulge: in-plane displacement beside an indentation points away from it."""
    pad = LAYOUT.pad("ahr_palm_2")
    force = np.zeros((18, 30, 3))
    force[pad.index, 9, 2] = -1.0
    moved = Elastomer(GRID, STANDARD).step(force, NO_SLIP, 0.01)[pad.index]
    away = (GRID.position_m[pad.index] - GRID.position_m[pad.index, 9])[: pad.count, :2]
    apart = np.linalg.norm(away, axis=-1)
    beside = (apart > 0) & (apart < 0.008)
    assert beside.sum() >= 2
    assert ((moved[: pad.count, :2] * away).sum(-1)[beside] > 0).all()


def sine_loop_area(parameters: SkinParameters, hz: float, press_n: float = 0.02) -> float:
    """Area of the force-displacement loop over the product of both amplitudes, in the last of six cycles."""
    pad = LAYOUT.pad("ahr_palm_2").index
    elastomer, dt = Elastomer(GRID, parameters), 0.002
    phase = 2 * np.pi * hz * np.arange(0, 6 / hz, dt)
    force = np.zeros((18, 30, 3))
    z = []
    for angle in phase:
        force[pad, :24, 2] = -press_n * np.sin(angle)
        z.append(elastomer.step(force, NO_SLIP, dt)[pad, 10, 2])
    last = phase >= phase[-1] - 2 * np.pi
    load, moved = -np.sin(phase[last]), np.array(z)[last]
    return abs(np.trapezoid(moved, load)) / np.ptp(moved) * 2


def test_the_hysteresis_loop_has_the_area_of_its_two_branches() -> None:
    """A Kelvin-Voigt branch of share a and time tau turns the loop by a w tau / (1 + (w tau)^2), times pi."""
    hz = 0.5
    w = 2 * np.pi * hz
    expected = np.pi * sum(
        a * w * tau / (1 + (w * tau) ** 2)
        for a, tau in ((STANDARD.hysteresis, STANDARD.hysteresis_s), (STANDARD.creep, STANDARD.creep_s))
    )
    assert sine_loop_area(STANDARD, hz) == pytest.approx(expected, rel=0.08)
    assert sine_loop_area(changed(hysteresis=0.0, creep=0.0), hz) == pytest.approx(0, abs=2e-3)


def test_creep_reaches_two_thirds_after_its_time_constant() -> None:
    parameters = changed(hysteresis=0.0)
    elastomer = Elastomer(GRID, parameters)
    pad = LAYOUT.pad("link_2").index
    force = np.zeros((18, 30, 3))
    force[pad, :16, 2] = -0.5
    z = np.array([elastomer.step(force, NO_SLIP, 0.1)[pad, 4, 2] for _ in range(1000)])
    way = (z - z[0]) / (z[-1] - z[0])
    assert 0.1 * np.searchsorted(way, 1 - np.exp(-1)) == pytest.approx(parameters.creep_s, rel=0.03)
    assert (z[-1] - z[0]) / z[-1] == pytest.approx(parameters.creep, rel=0.03)


def test_shear_is_remembered_while_it_sticks_and_released_by_slip_and_lifting() -> None:
    pad = LAYOUT.pad("link_2").index
    parameters = changed(hysteresis=0.0, creep=0.0)
    press, drag = np.zeros((18, 30, 3)), np.zeros((18, 30, 3))
    press[pad, :16, 2] = drag[pad, :16, 2] = -0.5
    drag[pad, :16, 0] = 0.3
    sliding = NO_SLIP.copy()
    sliding[pad] = 0.05

    def left_over(then_force: np.ndarray, slip: np.ndarray, seconds: float) -> float:
        elastomer = Elastomer(GRID, parameters)
        dragged = [elastomer.step(drag, NO_SLIP, 0.01) for _ in range(500)][-1][pad, 5, 0]
        after = [elastomer.step(then_force, slip, 0.01) for _ in range(round(seconds * 100))][-1][pad, 5, 0]
        return float(after / dragged)

    assert left_over(press, NO_SLIP, 0.05) == pytest.approx(parameters.shear_memory, rel=0.2)
    assert abs(left_over(press, sliding, 0.3)) < 0.03, "what is left is the bulge of the press itself"
    assert abs(left_over(np.zeros_like(press), NO_SLIP, 0.3)) < 0.01


# read-out


def test_rest_counts_have_the_statistics_of_a_real_frame() -> None:
    # A right-hand frame of the kit rests at x 32725 +- 275, y 32787 +- 297, z 36535 +- 793 counts.
    skin = MagneticSkin(LAYOUT, seed=7)
    frames = np.array([skin.step(NO_FORCE, NO_SLIP, STILL, 0.01) for _ in range(200)], float)
    over_taxels = frames.mean(0)
    np.testing.assert_allclose(over_taxels.mean(0), [32750, 32750, 36400], atol=250)
    np.testing.assert_allclose(over_taxels.std(0), [280, 280, 790], rtol=0.35)
    np.testing.assert_allclose(np.diff(frames, axis=0).std((0, 1)) / 2**0.5, 2.0, atol=0.15)


def test_rest_noise_is_that_of_the_public_table() -> None:
    # csv_records_noise_report_test1.csv of matteogrisenti/Xela_uSP44: x 1.9-2.6, y 1.8-2.6, z 1.7-2.5 counts.
    skin = MagneticSkin(LAYOUT, seed=8)
    noise = np.array([skin.step(NO_FORCE, NO_SLIP, STILL, 0.01) for _ in range(500)], float).std(0)
    assert 1.7 <= np.median(noise) <= 2.6


def test_the_captured_frame_rests_where_the_skin_does(reference_data: Path) -> None:
    frame = np.load(reference_data / "hardware" / "xela_json" / "xela_frame_XR23AHRCPP.npz")
    captured = next(frame[key] for key in frame.files if frame[key].shape == (368, 3)).astype(float)
    skin = MagneticSkin(LAYOUT, seed=7).step(NO_FORCE, NO_SLIP, STILL, 0.01).astype(float)
    np.testing.assert_allclose(skin.mean(0), captured.mean(0), atol=250)
    np.testing.assert_allclose(skin.std(0), captured.std(0), rtol=0.35)


def test_warming_up_drifts_by_the_data_sheets_counts() -> None:
    readout = Readout(changed(noise_counts=0.0, walk_counts=0.0), 7, 7)
    before = readout.step(NO_FORCE, 0.0).astype(float)
    after = readout.step(NO_FORCE, 3000.0).astype(float)  # 50 minutes
    assert (after - before)[:, 2].mean() == pytest.approx(120, rel=0.1)


def test_counts_round_and_saturate_instead_of_wrapping() -> None:
    readout = Readout(changed(noise_counts=0.0, walk_counts=0.0, warm_up_k=0.0), 7, 7)
    field = np.zeros((368, 3))
    field[0], field[1] = 1.0, -1.0  # T, far beyond any magnet of the skin
    counts = readout.step(field, 0.01)
    assert counts.dtype == np.uint16
    assert counts[0].tolist() == [65535] * 3
    assert counts[1].tolist() == [0] * 3
    np.testing.assert_array_equal(counts[2:], np.rint(readout.rest[2:]))


def test_faults_are_constant_and_as_many_as_asked_for() -> None:
    readout = Readout(changed(dead_share=0.1, stuck_share=0.1, saturated_share=0.1), 7, 7)
    first, second = readout.step(NO_FORCE, 0.01), readout.step(np.full((368, 3), 1e-3), 0.01)
    broken = readout.broken
    assert 60 < broken.sum() < 160
    np.testing.assert_array_equal(first[broken], second[broken])
    dead, saturated = (first == 0).all(-1), (first == 65535).all(-1)
    assert dead.sum() > 15
    assert saturated.sum() > 15
    assert (broken & ~dead & ~saturated).sum() > 15, "stuck at a plausible value"
    assert not Readout(STANDARD, 7, 7).broken.any()


def test_the_same_seed_gives_the_same_counts() -> None:
    first, again, other = (MagneticSkin(LAYOUT, seed) for seed in (7, 7, 8))
    _, force = even("link_2", (0.1, 0, -1))
    for _ in range(3):
        counts = first.step(force, NO_SLIP, STILL, 0.01)
        np.testing.assert_array_equal(counts, again.step(force, NO_SLIP, STILL, 0.01))
    assert (counts != other.step(force, NO_SLIP, STILL, 0.01)).any()


def test_taxel_frames_turn_normals_to_z() -> None:
    frames = taxel_frames(LAYOUT)
    for pad in LAYOUT.pads:
        outward = LAYOUT.normals[pad.taxels] @ pad.rotation
        up = (frames[pad.taxels] @ outward[..., None])[..., 0]
        np.testing.assert_allclose(up, [[0, 0, 1]] * pad.count, atol=1e-4)
    np.testing.assert_allclose(frames @ frames.swapaxes(1, 2), np.broadcast_to(np.eye(3), (368, 3, 3)), atol=1e-12)


def test_the_grid_gives_back_what_was_laid_into_it() -> None:
    values = np.random.default_rng(9).normal(size=(368, 3))
    np.testing.assert_array_equal(GRID.collect(GRID.spread(values)), values)
    assert GRID.is_taxel.sum() == 368


# parameters


def test_every_parameter_says_where_it_comes_from_and_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)` \| (\S+) \| [^|]+ \| (?:cited|fitted|guess) ", page, re.MULTILINE))
    for name, value, unit, kind, source in provenance():
        assert kind in KINDS, name
        assert unit, name
        assert len(source) > 10, name
        assert float(documented[name]) == value, name
    assert set(documented) == {entry[0] for entry in provenance()}


@pytest.mark.parametrize(("name", "value"), [("noise_counts", -1.0), ("dead_share", 1.5), ("creep_s", float("nan"))])
def test_a_parameter_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"skin parameter {name}.*allowed"):
        MagneticSkin(LAYOUT, 7, changed(**{name: value}))
