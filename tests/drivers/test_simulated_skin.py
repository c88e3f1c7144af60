"""Forces reach the taxels whole, and counts follow forces as the data sheet says."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from drivers.simulated.flux import COUNTS_PER_N, FluxModel, taxel_frames
from drivers.simulated.scene import build_scene
from drivers.simulated.skin_contact import SkinContact
from drivers.simulated.skin_scan import SCAN_NS, SkinScan
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
NO_FORCE = np.zeros((368, 3))
PAD_SUMS = np.array([pad.first for pad in LAYOUT.pads])


def sums(taxel_force: np.ndarray) -> np.ndarray:
    return np.add.reduceat(taxel_force, PAD_SUMS, axis=0)


class Gripped:
    """The can pressed against the palm of an open hand, so that two pads are touched."""

    def __init__(self) -> None:
        self.model = build_scene(load_rig("simulated"))
        self.data = mujoco.MjData(self.model)
        self.contact = SkinContact(self.model, self.data, LAYOUT)
        self.can = self.model.body("pringle").id
        self.data.joint("pringle").qpos[:3] = [-0.18, 0.0570, 0.17]

    def step(self, times: int = 1, force_n: tuple[float, float, float] = (0.5, -6.0, 1.7)) -> None:
        self.data.xfrc_applied[self.can, :3] = force_n
        mujoco.mj_step(self.model, self.data, times)


def solver_force_on(model: mujoco.MjModel, data: mujoco.MjData, pad_name: str) -> np.ndarray:
    """Net world force on a pad by MuJoCo's own accessor, one contact at a time."""
    total, wrench = np.zeros(3), np.zeros(6)
    for index in range(data.ncon):
        contact = data.contact[index]
        for side in (0, 1):
            if model.geom(int(contact.geom[side])).name == pad_name:
                mujoco.mj_contactForce(model, data, index, wrench)
                total += (1 if side else -1) * contact.frame.reshape(3, 3).T @ wrench[:3]
    return total


def test_pad_forces_equal_the_solver_and_taxels_add_up() -> None:
    grip = Gripped()
    grip.step(60)
    grip.contact.read()
    truth = grip.contact.take()
    touched = np.flatnonzero(np.abs(truth.pad_wrench).sum(-1))
    assert len(touched) >= 2
    for pad in LAYOUT.pads:
        turn = grip.data.body(pad.link).xmat.reshape(3, 3) @ pad.rotation
        expected = solver_force_on(grip.model, grip.data, pad.name) @ turn
        np.testing.assert_allclose(truth.pad_wrench[pad.index, :3], expected, atol=1e-9)
    np.testing.assert_allclose(sums(truth.taxel_force_n), truth.pad_wrench[:, :3], atol=1e-6)


def test_a_pressed_pad_reads_a_negative_z() -> None:
    grip = Gripped()
    grip.step(60)
    grip.contact.read()
    wrench = grip.contact.take().pad_wrench
    assert (wrench[:, 2] <= 0).all()
    assert wrench[LAYOUT.pad("ahr_palm_2").index, 2] < -0.5


def test_the_moment_of_a_pad_is_that_of_its_taxel_forces() -> None:
    """Spreading keeps the force exactly and the moment roughly: shares are centred on the contact points."""
    grip = Gripped()
    grip.step(60)
    grip.contact.read()
    truth = grip.contact.take()
    pad = LAYOUT.pad("ahr_palm_2")
    arms = (LAYOUT.positions_m["vendor"][pad.taxels] - pad.position_m) @ pad.rotation
    moment = np.cross(arms, truth.taxel_force_n[pad.taxels]).sum(0)
    reach_m = 0.006 * np.linalg.norm(truth.pad_wrench[pad.index, :3])
    np.testing.assert_allclose(moment[:2], truth.pad_wrench[pad.index, 3:5], atol=reach_m)


def test_forces_are_averaged_over_the_readings() -> None:
    grip = Gripped()
    grip.step(60)
    grip.contact.read()
    grip.contact.read()
    twice = grip.contact.take()
    grip.contact.read()
    once = grip.contact.take()
    np.testing.assert_allclose(twice.pad_wrench, once.pad_wrench, atol=1e-12)
    np.testing.assert_allclose(twice.slip_m_per_s, once.slip_m_per_s, atol=1e-12)
    assert not grip.contact.take().pad_wrench.any(), "nothing was read since"


def test_slip_is_the_speed_of_a_sliding_object() -> None:
    grip = Gripped()
    grip.step(60)
    grip.data.qvel[:] = 0
    grip.data.joint("pringle").qvel[:3] = [0, 0, 0.2]
    mujoco.mj_forward(grip.model, grip.data)
    grip.contact.read()
    slip = grip.contact.take().slip_m_per_s
    touched = slip > 0
    assert touched.any()
    np.testing.assert_allclose(slip[touched], 0.2, atol=1e-3)


def test_rest_counts_have_the_statistics_of_a_real_frame() -> None:
    # A right-hand frame of the kit rests at x 32725 +- 275, y 32787 +- 297, z 36535 +- 793 counts.
    flux = FluxModel(LAYOUT, seed=7)
    frames = np.array([flux.step(NO_FORCE, 0.01) for _ in range(200)], float)
    over_taxels = frames.mean(0)
    np.testing.assert_allclose(over_taxels.mean(0), [32750, 32750, 36500], atol=130)
    np.testing.assert_allclose(over_taxels.std(0), [280, 280, 790], rtol=0.12)
    np.testing.assert_allclose(frames.std(0).mean(0), 2.0, atol=0.15)


def test_the_same_seed_gives_the_same_counts() -> None:
    first, again, other = (FluxModel(LAYOUT, seed) for seed in (7, 7, 8))
    for _ in range(3):
        counts = first.step(NO_FORCE, 0.01)
        np.testing.assert_array_equal(counts, again.step(NO_FORCE, 0.01))
    assert (counts != other.step(NO_FORCE, 0.01)).any()


def settled(flux: FluxModel, force: np.ndarray) -> np.ndarray:
    """Mean change from rest after four seconds under a constant force."""
    frames = np.array([flux.step(force, 0.01) for _ in range(400)], float)
    return frames[-50:].mean(0) - flux.rest


def test_pressing_raises_z_by_the_data_sheets_counts() -> None:
    pad = LAYOUT.pad("ahr_palm_2")
    force = NO_FORCE.copy()
    force[pad.taxels, 2] = -1.0
    change = settled(FluxModel(LAYOUT, seed=7), force)[pad.taxels]
    assert change[:, 2].mean() == pytest.approx(COUNTS_PER_N[2], rel=0.1)
    np.testing.assert_allclose(change[:, :2], 0, atol=2)


def test_shear_moves_its_own_axis_with_its_sign() -> None:
    force = NO_FORCE.copy()
    pad = LAYOUT.pad("link_2")
    force[pad.taxels, 0], force[pad.taxels, 1] = 0.5, -0.25
    change = settled(FluxModel(LAYOUT, seed=7), force)[pad.taxels].mean(0)
    np.testing.assert_allclose(change / COUNTS_PER_N, [0.5, -0.25, 0], atol=0.05)


def test_crosstalk_stays_inside_the_pad_and_keeps_the_force() -> None:
    force = NO_FORCE.copy()
    pad = LAYOUT.pad("link_2")
    force[pad.first + 5, 2] = -2.0
    flux = FluxModel(LAYOUT, seed=7)
    change = settled(flux, force)[:, 2] / flux.gain[:, 2]
    elsewhere = np.setdiff1d(np.arange(368), np.arange(pad.first, pad.first + pad.count))
    np.testing.assert_allclose(change[elsewhere], 0, atol=2e-3)
    assert change[pad.taxels].sum() == pytest.approx(2.0, abs=0.02)
    assert change[pad.first + 5] == pytest.approx(2.0 * 0.88, abs=0.02)


def test_counts_saturate_instead_of_wrapping() -> None:
    force = NO_FORCE.copy()
    force[:, 2] = -1000.0
    counts = [FluxModel(LAYOUT, seed=7).step(force, 1.0) for _ in range(2)][-1]
    assert counts.dtype == np.uint16
    assert (counts[LAYOUT.pad("link_2").taxels, 2] == 65535).all()


def test_taxel_frames_turn_normals_to_z() -> None:
    frames = taxel_frames(LAYOUT)
    for pad in LAYOUT.pads:
        outward = LAYOUT.normals[pad.taxels] @ pad.rotation
        np.testing.assert_allclose(
            (frames[pad.taxels] @ outward[..., None])[..., 0], [[0, 0, 1]] * pad.count, atol=1e-4
        )
    np.testing.assert_allclose(frames @ frames.swapaxes(1, 2), np.broadcast_to(np.eye(3), (368, 3, 3)), atol=1e-12)


def test_what_is_sent_follows_the_force_within_50_ms() -> None:
    """Half-second presses: the change of the sent counts correlates with the force at a delay of at most 5 frames."""
    flux = FluxModel(LAYOUT, seed=7)
    scan = SkinScan(flux.step(NO_FORCE, 0.01), seed=7)
    rng = np.random.default_rng(1)
    levels = np.repeat(rng.uniform(0, 1, (12, 368)) * (rng.random((12, 368)) < 0.5), 50, axis=0)  # N, (600, 368)
    sent = []
    for frame, level in enumerate(levels):
        force = NO_FORCE.copy()
        force[:, 2] = -level
        scan.update(flux.step(force, 0.01), frame * 10_000_000)
        sent.append(np.linalg.norm(scan.counts - flux.rest, axis=-1))
    change = np.array(sent)
    for k in range(0, 368, 7):
        best = max(np.corrcoef(levels[: 600 - lag, k], change[lag:, k])[0, 1] for lag in range(6))
        assert best > 0.9, k


def test_a_resting_taxel_is_sent_a_few_times_a_second() -> None:
    # `ups` of the kit at rest is 2.4 to 4.7 1/s (real frame); the scan is 88.8 Hz (XELA uSPa46 manual).
    flux = FluxModel(LAYOUT, seed=7)
    scan = SkinScan(flux.step(NO_FORCE, 0.01), seed=7)
    changes, seconds = np.zeros(368), 20
    for frame in range(100 * seconds):
        before = scan.counts.copy()
        scan.update(flux.step(NO_FORCE, 0.01), frame * 10_000_000)
        changes += (scan.counts != before).any(-1)
    assert 2.5 < changes.mean() / seconds < 5.0
    assert 2.5 < scan.updates_per_s.mean() < 5.0
    assert scan.updates_per_s.min() > 1.0


def test_scans_come_every_11_26_ms() -> None:
    scan = SkinScan(np.zeros((368, 3), np.uint16), seed=7)
    taken = 0
    for frame in range(1000):  # one offer every 10 ms, each far from the last, so every scan sends everything
        before = int(scan.counts[0, 0])
        scan.update(np.full((368, 3), 100 + 37 * frame, np.uint16), frame * 10_000_000)
        taken += int(scan.counts[0, 0]) != before
    assert taken == pytest.approx(10_000_000_000 / SCAN_NS, abs=2)
