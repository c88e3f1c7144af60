"""The MuJoCo hand is the hand of the vocabulary: same kinematics, same pads, sound inertias, free at home."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from drivers.allegro.scales import hand_scale
from drivers.simulated.scene import OBJECTS, build_scene, pose_from_qpos, qpos_from_pose, scene_at
from skin_teleop.errors import ConfigError
from skin_teleop.hand import hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import pose_from, rotation_from_rpy

RIG = load_rig("simulated")
HAND = hand_model(RIG.hand.model, RIG.hand.finger_joint1_z_m)
LAYOUT = skin_layout()


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return build_scene(RIG)


def in_palm(data: mujoco.MjData, position_m: np.ndarray) -> np.ndarray:
    palm = data.body("palm")
    return (position_m - palm.xpos) @ palm.xmat.reshape(3, 3)


def posed(model: mujoco.MjModel, q_rad: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    for k, angle in enumerate(q_rad):
        data.joint(f"joint_{k}").qpos[0] = angle
    mujoco.mj_kinematics(model, data)
    return data


@pytest.mark.parametrize("seed", range(5))
def test_links_stand_where_the_kinematics_says(model: mujoco.MjModel, seed: int) -> None:
    q_rad = np.random.default_rng(seed).uniform(HAND.lower_rad, HAND.upper_rad)
    data, posture = posed(model, q_rad), hand_posture(HAND, q_rad)
    palm = data.body("palm").xmat.reshape(3, 3)
    for k in range(16):
        link = data.body(f"link_{k}")
        np.testing.assert_allclose(in_palm(data, link.xpos), posture.link_position_m[k], atol=1e-9)
        np.testing.assert_allclose(palm.T @ link.xmat.reshape(3, 3), posture.link_rotation[k], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "layout"), [("allegro_v4_left", "xela_ah_left"), ("allegro_v5_right_b", "xela_ah_right")]
)
def test_other_hands_are_built_from_their_own_tables(name: str, layout: str) -> None:
    rig = dataclasses.replace(
        RIG,
        hand=dataclasses.replace(RIG.hand, model=name),
        skin=dataclasses.replace(RIG.skin, layout=layout),
    )
    hand, other = hand_model(name, rig.hand.finger_joint1_z_m), build_scene(rig)
    q_rad = np.random.default_rng(1).uniform(hand.lower_rad, hand.upper_rad)
    data, posture = posed(other, q_rad), hand_posture(hand, q_rad)
    for k in range(16):
        np.testing.assert_allclose(in_palm(data, data.body(f"link_{k}").xpos), posture.link_position_m[k], atol=1e-9)
    limits_nm = [other.actuator(f"joint_{k}").forcerange[1] for k in range(16)]
    version = 0x0402 if "v4" in name else None
    np.testing.assert_allclose(limits_nm, hand_scale(name, version).torque_limit_nm)
    ranges = np.array([other.joint(f"joint_{k}").range for k in range(16)])
    np.testing.assert_allclose(ranges, np.stack([hand.lower_rad, hand.upper_rad], -1))
    assert {pad.link for pad in skin_layout(layout).pads} <= {other.body(k).name for k in range(other.nbody)}


def test_a_bare_hand_has_lower_knuckles() -> None:
    bare = dataclasses.replace(RIG, hand=dataclasses.replace(RIG.hand, finger_joint1_z_m=0.0164))
    assert build_scene(bare).body("link_1").pos[2] == pytest.approx(0.0164)


@pytest.mark.parametrize("pad", LAYOUT.pads, ids=lambda pad: pad.name)
def test_taxels_lie_on_the_surface_of_their_pad(model: mujoco.MjModel, pad) -> None:
    """A ray from outside along a taxel's normal meets the pad's geom where the taxel is."""
    data = posed(model, np.zeros(16))
    link, geom = data.body(pad.link), model.geom(pad.name)
    to_world = link.xmat.reshape(3, 3)
    slack = 0.0015 if pad.kind == "curved" else 1e-6  # the round shell fits the vendor's taxels within 1.5 mm
    centre = data.geom(pad.name)
    for k in range(pad.first, pad.first + pad.count):
        normal = to_world @ LAYOUT.normals[k]
        outside = link.xpos + to_world @ LAYOUT.positions_m["vendor"][k] + 0.02 * normal
        distance = mujoco.mju_rayGeom(centre.xpos, centre.xmat, geom.size, outside, -normal, geom.type[0], np.zeros(3))
        assert distance == pytest.approx(0.02, abs=slack)


def test_every_pad_belongs_to_its_link(model: mujoco.MjModel) -> None:
    for pad in LAYOUT.pads:
        assert model.body(model.geom(pad.name).bodyid[0]).name == pad.link


def test_motors_have_the_limits_of_the_real_hand(model: mujoco.MjModel) -> None:
    # PWM clamps 375 675 450 285 and thumb 525 405 270 270 over 1200 PWM/Nm: allegro_hand_ros_v4.
    limits = [model.actuator(f"joint_{k}").forcerange[1] for k in range(16)]
    np.testing.assert_allclose(limits[:4], [0.3125, 0.5625, 0.375, 0.2375])
    np.testing.assert_allclose(limits[12:], [0.4375, 0.3375, 0.225, 0.225])


def test_joint_ranges_are_the_table_in_radians(model: mujoco.MjModel) -> None:
    ranges = np.array([model.joint(f"joint_{k}").range for k in range(16)])
    np.testing.assert_allclose(ranges, np.stack([HAND.lower_rad, HAND.upper_rad], -1))


def test_inertias_obey_the_triangle_inequality(model: mujoco.MjModel) -> None:
    largest = model.body_inertia.max(-1)
    moving = model.body_mass > 0
    assert np.all(2 * largest[moving] <= model.body_inertia.sum(-1)[moving] + 1e-12)


def test_the_hand_does_not_sag_at_home(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 1000)
    np.testing.assert_allclose(data.body("palm").xpos, RIG.server.wrist_home_m, atol=5e-4)


def test_nothing_touches_the_hand_at_home(model: mujoco.MjModel) -> None:
    """Every object keeps 3 cm from every part of the hand."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    hand = [g for g in range(model.ngeom) if model.body_rootid[model.geom_bodyid[g]] == model.body("palm").id]
    for name in (*OBJECTS, "table"):
        clearance = [mujoco.mj_geomDistance(model, data, g, model.geom(name).id, 0.2, None) for g in hand]
        assert min(clearance) > 0.03, name


def test_an_unknown_object_is_refused_by_name() -> None:
    world = dataclasses.replace(RIG.world, object="teapot")
    with pytest.raises(ConfigError, match=r"teapot.*allowed: pringle, legopool"):
        build_scene(dataclasses.replace(RIG, world=world))


@pytest.mark.parametrize("timestep_ms", [0.0, -1.0, 50.0, float("nan")])
def test_an_impossible_time_step_is_refused(timestep_ms: float) -> None:
    world = dataclasses.replace(RIG.world, timestep_ms=timestep_ms)
    with pytest.raises(ConfigError, match=r"world.timestep_ms.*allowed: 0.1 to 3.0 ms"):
        build_scene(dataclasses.replace(RIG, world=world))


def test_a_time_step_that_does_not_divide_the_hands_period_is_refused() -> None:
    hand = dataclasses.replace(RIG.hand, period_ms=2)
    with pytest.raises(ConfigError, match=r"found: 1.5 ms; allowed: a whole fraction of the hand's period, 2 ms"):
        build_scene(dataclasses.replace(RIG, hand=hand))


def test_scene_at_restores_a_recorded_moment() -> None:
    rng = np.random.default_rng(4)
    q_rad = rng.uniform(HAND.lower_rad, HAND.upper_rad)
    palm = pose_from([0.05, -0.1, 0.3], rotation_from_rpy([0.3, -0.2, 1.0]))
    can = pose_from([0.1, 0.2, 0.15], rotation_from_rpy([0.1, 0.5, 0.0]))
    box = pose_from([-0.2, -0.2, 0.05], rotation_from_rpy([0.0, 0.0, 0.7]))
    _, data = scene_at(RIG, q_rad, palm, np.stack([can, box, np.full(7, np.nan), np.full(7, np.nan)]))
    assert np.isfinite(data.qpos).all()
    np.testing.assert_allclose(data.body("palm").xpos, palm[:3])
    np.testing.assert_allclose(data.body("pringle").xpos, can[:3])
    np.testing.assert_allclose(pose_from_qpos(data.joint("legopool").qpos), box, atol=1e-12)
    np.testing.assert_allclose(in_palm(data, data.body("link_15").xpos), hand_posture(HAND, q_rad).link_position_m[15])


def test_pose_order_round_trips() -> None:
    pose = np.arange(7.0)
    np.testing.assert_array_equal(qpos_from_pose(pose), [0, 1, 2, 6, 3, 4, 5])
    np.testing.assert_array_equal(pose_from_qpos(qpos_from_pose(pose)), pose)
