"""Forces reach the taxels whole, and counts follow forces as the data sheet says."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from drivers.simulated.contact_kernel import skin_contact
from drivers.simulated.scene import build_scene
from drivers.simulated.skin.ambient import PadPoses
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin_scan import SCAN_NS, SkinScan
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import quaternion_from_rotation

LAYOUT = skin_layout()
NO_FORCE, NO_SLIP = np.zeros((368, 3)), np.zeros(18)
STILL = PadPoses(np.tile(np.eye(3), (18, 1, 1)), np.random.default_rng(0).uniform(-0.1, 0.1, (18, 3)))
PARAMETERS = SkinParameters()
PAD_SUMS = np.array([pad.first for pad in LAYOUT.pads])

pytestmark = pytest.mark.usefixtures("skin_code")


def sums(taxel_force: np.ndarray) -> np.ndarray:
    return np.add.reduceat(taxel_force, PAD_SUMS, axis=0)


class Gripped:
    """The can pressed against the palm of an open hand, so that two pads are touched."""

    def __init__(self) -> None:
        self.model = build_scene(load_rig("simulated"))
        self.data = mujoco.MjData(self.model)
        skin = MagneticSkin(LAYOUT, seed=7)
        self.contact = skin_contact(self.model, self.data, LAYOUT, skin)
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
    np.testing.assert_allclose(sums(truth.taxel_force_n), truth.pad_wrench[:, :3], atol=1e-9)


def test_a_pressed_pad_reads_a_negative_z() -> None:
    grip = Gripped()
    grip.step(60)
    grip.contact.read()
    wrench = grip.contact.take().pad_wrench
    assert (wrench[:, 2] <= 0).all()
    assert wrench[LAYOUT.pad("ahr_palm_2").index, 2] < -0.5


def test_the_moment_of_a_pad_is_that_of_its_taxel_forces() -> None:
    """Spreading keeps the force exactly and the moment roughly: a footprint is centred where the object is deepest."""
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


def test_what_is_sent_follows_the_force_within_50_ms() -> None:
    """Half-second presses of whole pads: the sent counts correlate with the force at a delay of at most 5 frames."""
    skin = MagneticSkin(LAYOUT, seed=7)
    first = skin.step(NO_FORCE, NO_SLIP, STILL, 0.01)
    scan = SkinScan(first, LAYOUT, PARAMETERS, seed=7)
    rng = np.random.default_rng(1)
    levels = np.repeat((rng.uniform(0, 1, (12, 18)) * (rng.random((12, 18)) < 0.5))[:, LAYOUT.pad_index], 50, axis=0)
    sent = []
    for frame, level in enumerate(levels):
        force = NO_FORCE.copy()
        force[:, 2] = -level
        scan.update(skin.step(force, NO_SLIP, STILL, 0.01), frame * 10_000_000)
        sent.append(np.linalg.norm(scan.counts - first.astype(float), axis=-1))
    change = np.array(sent)
    for k in range(0, 368, 7):
        best = max(np.corrcoef(levels[: 600 - lag, k], change[lag:, k])[0, 1] for lag in range(6))
        assert best > 0.9, k


def test_a_resting_taxel_is_sent_a_few_times_a_second() -> None:
    # `ups` of the kit at rest is 2.4 to 4.7 1/s (real frame); the scan is 88.8 Hz (XELA uSPa46 manual).
    skin = MagneticSkin(LAYOUT, seed=7)
    first = skin.step(NO_FORCE, NO_SLIP, STILL, 0.01)
    scan = SkinScan(first, LAYOUT, PARAMETERS, seed=7)
    changes, seconds = np.zeros(368), 20
    for frame in range(100 * seconds):
        before = scan.counts.copy()
        scan.update(skin.step(NO_FORCE, NO_SLIP, STILL, 0.01), frame * 10_000_000)
        changes += (scan.counts != before).any(-1)
    assert 2.5 < changes.mean() / seconds < 5.0
    assert 2.5 < scan.updates_per_s.mean() < 5.0
    assert scan.updates_per_s.min() > 1.0


def test_scans_come_every_11_26_ms() -> None:
    scan = SkinScan(np.zeros((368, 3), np.uint16), LAYOUT, PARAMETERS, seed=7)
    taken = 0
    for frame in range(1000):  # one offer every 10 ms, each far from the last, so every scan sends everything
        before = int(scan.counts[0, 0])
        scan.update(np.full((368, 3), 100 + 37 * frame, np.uint16), frame * 10_000_000)
        taken += int(scan.counts[0, 0]) != before
    assert taken == pytest.approx(10_000_000_000 / SCAN_NS, abs=2)


def test_lost_packets_keep_whole_pads_at_their_last_values() -> None:
    lossy = dataclasses.replace(PARAMETERS, packet_loss=0.5)
    scan = SkinScan(np.zeros((368, 3), np.uint16), LAYOUT, lossy, seed=7)
    scan.update(np.full((368, 3), 900, np.uint16), 0)
    arrived = [set(scan.counts[pad.taxels].ravel().tolist()) for pad in LAYOUT.pads]
    assert all(values in ({0}, {900}) for values in arrived), "a pad's taxels come together or not at all"
    assert {0} in arrived
    assert {900} in arrived


def test_a_flat_cube_lights_all_taxels_of_a_pad_evenly() -> None:
    """A 0.3 kg cube lies on the 24 taxels of palm pad 1; spreading its four contact points would light 12 of them."""
    spec = mujoco.MjSpec()
    pad = LAYOUT.pad("ahr_palm_1")
    for name in {pad.link for pad in LAYOUT.pads}:
        link = spec.worldbody.add_body(name=name)
        for other in LAYOUT.pads:
            if other.link == name:
                size = [0.03, 0.03, 0.005] if other is pad else [0.001, 0.001, 0.001]
                turn = np.roll(quaternion_from_rotation(pad.rotation), 1)
                centre = pad.position_m - 0.005 * pad.rotation[:, 2] if other is pad else [0, 0, -1 - other.index]
                box = mujoco.mjtGeom.mjGEOM_BOX
                link.add_geom(name=other.name, type=box, size=size, pos=centre, quat=turn, condim=4)
    cube = spec.worldbody.add_body(
        name="cube",
        pos=pad.position_m + 0.0299 * pad.rotation[:, 2],
        quat=np.roll(quaternion_from_rotation(pad.rotation), 1),
    )
    cube.add_freejoint(name="cube")
    cube.add_geom(name="cube", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.03, 0.03, 0.03], mass=0.3, condim=4)
    spec.option.gravity = -9.81 * pad.rotation[:, 2]
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    model = spec.compile()
    data = mujoco.MjData(model)
    smooth = MagneticSkin(LAYOUT, 7, dataclasses.replace(PARAMETERS, bump_spread_m=0.0))
    contact = skin_contact(model, data, LAYOUT, smooth)
    mujoco.mj_step(model, data, 500)
    contact.read()
    assert data.ncon == 4
    pressed = -contact.take().taxel_force_n[pad.taxels, 2]
    assert pressed.sum() == pytest.approx(0.3 * 9.81, rel=0.01)
    assert (pressed > 0).all()
    assert pressed.max() / pressed.mean() < 1.02
