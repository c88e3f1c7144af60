"""The compiled skin gives what its numpy reference gives, on random contacts, fields, counts and scans."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from drivers.simulated.contact_kernel import CompiledContact, skin_contact
from drivers.simulated.scene import build_scene
from drivers.simulated.skin import library
from drivers.simulated.skin.ambient import PadPoses
from drivers.simulated.skin.elastomer import SETTLED_M, Elastomer
from drivers.simulated.skin.footprint import SHAPES
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin_contact import SHAPE_OF_GEOM, SkinContact
from drivers.simulated.skin_scan import SkinScan
from skin_teleop.errors import ConfigError, MissingPartError
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import rotation_from_rpy

LAYOUT = skin_layout()
COUNT_T = SkinParameters().tesla_per_count
NOTHING = np.zeros((368, 3))

pytestmark = pytest.mark.skipif(library.skin_library() is None, reason="no C compiler here")


def random_poses(rng: np.random.Generator, spread_m: float) -> PadPoses:
    turns = np.array([rotation_from_rpy(rng.uniform(-3, 3, 3)) for _ in range(18)])
    return PadPoses(turns, rng.uniform(-spread_m, spread_m, (18, 3)) + 0.4)


def random_touch(rng: np.random.Generator, strongest_n: float) -> np.ndarray:
    """Forces (368, 3) on half the taxels of a few pads."""
    force = NOTHING.copy()
    for pad in rng.choice(18, 4, replace=False):
        taxels = LAYOUT.pads[pad].taxels
        force[taxels] = rng.normal(0, strongest_n, (LAYOUT.pads[pad].count, 3))
        force[taxels] *= rng.random((LAYOUT.pads[pad].count, 1)) < 0.5
    return force


def both(**values: float) -> tuple[MagneticSkin, MagneticSkin]:
    parameters = dataclasses.replace(SkinParameters(), **values)
    compiled, reference = (MagneticSkin(LAYOUT, 7, parameters, compiled=which) for which in (True, False))
    return compiled, reference


@pytest.mark.parametrize(("seed", "strongest_n", "spread_m"), [(0, 0.05, 0.1), (1, 0.5, 0.03), (2, 20.0, 0.12)])
def test_fields_agree_over_presses_slips_and_lifts(seed: int, strongest_n: float, spread_m: float) -> None:
    """To a tenth of a count, or 1e-4 where random pads lie inside each other, up to the largest displacement."""
    compiled, reference = both(creep_s=0.3)
    rng = np.random.default_rng(seed)
    largest = 0.0
    for period in range(60):
        pressed = random_touch(rng, strongest_n) if period // 10 % 2 == 0 else NOTHING
        slip, poses = rng.uniform(0, 0.01, 18), random_poses(rng, spread_m)
        expected = reference.field_t(pressed, slip, poses, 0.01)
        found = compiled.field_t(pressed, slip, poses, 0.01)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=0.1 * COUNT_T)
        largest = max(largest, float(np.abs(expected).max()) / COUNT_T)
    assert largest > 100, "something was pressed"


def test_counts_agree_with_noise_faults_and_warming() -> None:
    compiled, reference = both(dead_share=0.02, stuck_share=0.02, saturated_share=0.02, walk_counts=0.5)
    rng, differing = np.random.default_rng(3), 0
    for _ in range(40):
        inputs = (random_touch(rng, 0.3), rng.uniform(0, 0.01, 18), random_poses(rng, 0.1))
        found, expected = compiled.step(*inputs, 0.01), reference.step(*inputs, 0.01)
        apart = np.abs(found.astype(int) - expected)
        assert apart.max() <= 1, "a rounding may fall to the other side"
        differing += int((apart > 0).sum())
    assert differing < 1e-3 * 40 * 368 * 3
    assert (found[compiled.readout.broken] == expected[reference.readout.broken]).all()
    assert compiled.readout.broken.sum() > 5


def test_a_long_step_and_strong_fields_saturate_alike() -> None:
    compiled, reference = both(tesla_per_count=1e-9)
    force = np.full((368, 3), -2.0)
    poses = random_poses(np.random.default_rng(4), 0.1)
    found, expected = (skin.step(force, np.zeros(18), poses, 5.0) for skin in (compiled, reference))
    assert {0, 65535} <= set(expected.ravel().tolist())
    assert ((found == 0) == (expected == 0)).all()
    assert ((found == 65535) == (expected == 65535)).all()


def test_an_untouched_pad_comes_to_rest_exactly_in_both() -> None:
    compiled, reference = both(creep_s=0.05, hysteresis_s=0.05, shear_memory_s=0.05)
    poses = random_poses(np.random.default_rng(5), 0.1)
    quiet = [skin.field_t(NOTHING, np.zeros(18), poses, 0.01).copy() for skin in (compiled, reference)]
    for skin, before in zip((compiled, reference), quiet):
        skin.field_t(np.full((368, 3), -0.1), np.zeros(18), poses, 0.1)
        for _ in range(200):
            after = skin.field_t(NOTHING, np.zeros(18), poses, 0.01)
        assert (after == before).all(), "not a trace is left"


def test_memories_below_a_millionth_of_a_count_are_dropped() -> None:
    skin = MagneticSkin(LAYOUT, 7)
    elastomer = Elastomer(skin.grid, SkinParameters())
    elastomer.step(skin.grid.spread(np.full((368, 3), -1e-9)), np.zeros(18), 0.01)
    moved = elastomer.step(skin.grid.spread(NOTHING), np.zeros(18), 0.01)
    assert not moved.any()
    assert 2.3 * SETTLED_M / COUNT_T < 1e-5, "2.3 T/m is the field's slope under a magnet"


class Pushed:
    """A world whose objects are thrown against the hand at random, with both ways to note contacts."""

    def __init__(self, seed: int) -> None:
        self.model = build_scene(load_rig("simulated"))
        self.data = mujoco.MjData(self.model)
        self.rng = np.random.default_rng(seed)
        skin = MagneticSkin(LAYOUT, seed)
        self.found = skin_contact(self.model, self.data, LAYOUT, skin)
        self.expected = SkinContact(self.model, self.data, LAYOUT, skin.grid, skin.footprint)
        self.data.joint("pringle").qpos[:3] = [-0.18, 0.0570, 0.17]

    def press(self) -> None:
        """Bring the can to rest on the palm."""
        self.data.xfrc_applied[self.model.body("pringle").id, :3] = [0.5, -6.0, 1.7]
        mujoco.mj_step(self.model, self.data, 60)

    def throw(self) -> None:
        body = self.model.body("pringle").id
        self.data.xfrc_applied[body, :3] = self.rng.normal([0.5, -6.0, 1.7], 4)
        self.data.ctrl[:] = self.rng.uniform(-0.3, 0.3, 16)

    def read(self, dt_s: float) -> None:
        for contact in (self.found, self.expected):
            contact.read(dt_s)


@pytest.mark.parametrize("seed", [0, 1])
def test_contacts_agree_on_forces_wrenches_slip_and_poses(seed: int) -> None:
    pushed = Pushed(seed)
    assert isinstance(pushed.found, CompiledContact)
    touched, slipped = 0, 0
    for _ in range(40):
        pushed.throw()
        for dt_s, steps in ((0.003, 2), (0.003, 2), (0.001, 1)):
            mujoco.mj_step(pushed.model, pushed.data, steps)
            pushed.read(dt_s)
        found, expected = pushed.found.take(), pushed.expected.take()
        np.testing.assert_allclose(found.taxel_force_n, expected.taxel_force_n, atol=1e-9)
        np.testing.assert_allclose(found.pad_wrench, expected.pad_wrench, atol=1e-9)
        np.testing.assert_allclose(found.slip_m_per_s, expected.slip_m_per_s, atol=1e-12)
        np.testing.assert_allclose(found.pads.rotation, expected.pads.rotation, atol=1e-12)
        np.testing.assert_allclose(found.pads.position_m, expected.pads.position_m, atol=1e-12)
        touched += int(expected.pad_wrench.any(-1).sum())
        slipped += int((expected.slip_m_per_s > 0).sum())
    assert touched > 20
    assert slipped > 20


@pytest.mark.parametrize("kind", SHAPE_OF_GEOM)
def test_footprints_agree_for_every_shape(kind: int) -> None:
    """The can becomes each shape in turn, its contacts staying where they are."""
    pushed = Pushed(2)
    pushed.press()
    geom = pushed.model.geom("pringle").id
    pushed.model.geom_type[geom], pushed.model.geom_size[geom] = kind, [0.0375, 0.05, 0.03]
    pushed.found = skin_contact(pushed.model, pushed.data, LAYOUT, MagneticSkin(LAYOUT, 2))
    pushed.read(0.01)
    found, expected = pushed.found.take(), pushed.expected.take()
    assert expected.taxel_force_n.any()
    np.testing.assert_allclose(found.taxel_force_n, expected.taxel_force_n, atol=1e-9)


def test_a_shape_without_a_distance_is_refused_by_name_when_it_touches() -> None:
    pushed = Pushed(3)
    pushed.press()
    pushed.model.geom_type[pushed.model.geom("pringle").id] = mujoco.mjtGeom.mjGEOM_MESH
    pushed.found = skin_contact(pushed.model, pushed.data, LAYOUT, MagneticSkin(LAYOUT, 3))
    pushed.read(0.01)
    for contact in (pushed.found, pushed.expected):
        with pytest.raises(ConfigError, match=f"mesh.*allowed: {', '.join(SHAPES)}"):
            contact.take()


def test_readings_count_by_the_time_for_which_they_stand() -> None:
    pushed = Pushed(4)
    pushed.press()
    pushed.read(0.003)
    touched = pushed.expected.take().pad_wrench
    assert np.abs(touched).max() > 0.5
    pushed.found.take()
    pushed.read(0.003)
    pushed.data.joint("pringle").qpos[:3] = [1, 1, 1]
    mujoco.mj_forward(pushed.model, pushed.data)
    pushed.read(0.001)
    for contact in (pushed.found, pushed.expected):
        np.testing.assert_allclose(contact.take().pad_wrench, 0.75 * touched, atol=1e-9)
        assert not contact.take().pad_wrench.any(), "nothing was read since"


def test_scans_agree_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = dataclasses.replace(SkinParameters(), packet_loss=0.2)
    first = np.full((368, 3), 30000, np.uint16)
    scans = [SkinScan(first, LAYOUT, lossy, seed=7, compiled=which) for which in (True, False)]
    rng, counts = np.random.default_rng(6), first.astype(float)
    for scan in range(200):
        counts = (counts + rng.normal(0, 4, (368, 3))).clip(0, 65535)
        for each in scans:
            each.update(counts.astype(np.uint16), scan * 12_000_000)
        assert (scans[0].counts == scans[1].counts).all()
    assert (scans[0].counts != first).any()
    np.testing.assert_allclose(scans[0].updates_per_s, scans[1].updates_per_s, rtol=1e-12)


def test_without_a_compiler_numpy_takes_over_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise MissingPartError("a compiled part was asked for", found="no C compiler", next_step="apt install gcc")

    monkeypatch.setattr(library, "built_library", refuse)
    library.skin_library.cache_clear()
    try:
        skin = MagneticSkin(LAYOUT, 7)
        model = build_scene(load_rig("simulated"))
        contact = skin_contact(model, mujoco.MjData(model), LAYOUT, skin)
        assert isinstance(contact, SkinContact)
        assert caplog.text.count("the simulated skin runs in numpy") == 1
        assert "apt install gcc" in caplog.text
    finally:
        library.skin_library.cache_clear()
