"""The torque that carries the fingers is that of the simulated hand's equations of motion, in any posture and pose."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from drivers.simulated.scene import build_scene
from skin_teleop.hand import hand_model
from skin_teleop.hand_mass import STANDARD_GRAVITY_M_S2, gravity_torque_nm, link_masses
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import rotation_from_rpy

HANDS = [
    ("allegro_v4_right", "xela_ah_right"),
    ("allegro_v4_left", "xela_ah_left"),
    ("allegro_v5_right_b", "xela_ah_right"),
]


@pytest.fixture(scope="module", params=HANDS, ids=[name for name, _ in HANDS])
def hand(request):
    name, layout = request.param
    rig = load_rig("simulated")
    rig = dataclasses.replace(
        rig, hand=dataclasses.replace(rig.hand, model=name), skin=dataclasses.replace(rig.skin, layout=layout)
    )
    return build_scene(rig), hand_model(name, rig.hand.finger_joint1_z_m), skin_layout(layout)


def test_masses_and_centres_are_the_simulated_hands(hand):
    scene, model, layout = hand
    masses = link_masses(model, layout)
    for k in range(16):
        body = scene.body(f"link_{k}")
        assert masses.mass_kg[k] == pytest.approx(float(body.mass[0]), rel=1e-9)
        np.testing.assert_allclose(masses.centre_m[k], body.ipos, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_torque_is_that_of_the_equations_of_motion(hand, seed):
    """MuJoCo's qfrc_bias at rest is what the motors must give; our gravity is MuJoCo's, turned into the palm."""
    scene, model, layout = hand
    rng = np.random.default_rng(seed)
    q_rad = rng.uniform(model.lower_rad, model.upper_rad)
    palm_to_world = rotation_from_rpy(rng.uniform(-np.pi, np.pi, 3))
    gravity_palm = palm_to_world.T @ scene.opt.gravity
    torque_nm = gravity_torque_nm(model, link_masses(model, layout), q_rad, gravity_palm)
    data = mujoco.MjData(scene)
    for k, angle in enumerate(q_rad):
        data.joint(f"joint_{k}").qpos[0] = angle
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, palm_to_world.reshape(9))
    data.joint("palm").qpos[3:] = quaternion
    mujoco.mj_forward(scene, data)
    expected_nm = [data.joint(f"joint_{k}").qfrc_bias[0] for k in range(16)]
    np.testing.assert_allclose(torque_nm, expected_nm, atol=1e-6)
    assert 0.01 < np.abs(torque_nm).max() < 0.25


def test_an_upright_straight_finger_weighs_nothing_on_its_joints():
    model = hand_model("allegro_v4_right")
    masses = link_masses(model, skin_layout())
    down = np.array([0, 0, -STANDARD_GRAVITY_M_S2])
    upright = gravity_torque_nm(model, masses, np.zeros(16), down)
    level = gravity_torque_nm(model, masses, np.zeros(16), down[[2, 1, 0]])
    assert np.abs(upright[4:8]).max() < 0.005
    assert np.abs(level[[1, 5, 9]]).min() > 0.05
    np.testing.assert_allclose(gravity_torque_nm(model, masses, np.zeros(16), -down), -upright)
