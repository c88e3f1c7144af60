"""Gravity compensation: off by default, inside every limit, and a soft simulated hand that sags less with it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers.allegro.controller import Controller, Drive
from drivers.allegro.gravity import GravityCompensation
from drivers.allegro.scales import hand_scale
from drivers.simulated.world import World
from skin_teleop.errors import ConfigError
from skin_teleop.hand import hand_model
from skin_teleop.rig import Rig, load_rig
from skin_teleop.transforms import pose_from, quaternion_from_rotation, rotation_from_rpy

RIG = load_rig("simulated")
MODEL = hand_model(RIG.hand.model, RIG.hand.finger_joint1_z_m)
SCALE = hand_scale(RIG.hand.model, 0x0402)
POSTURE = MODEL.clamp(np.full(16, 0.3))
LYING_FLAT = np.deg2rad([0.0, 90.0, 0.0])
"""Palm down: x of the palm points to -Z, the fingers along +X."""


def compensating(mode: str, **keys: object) -> Rig:
    return dataclasses.replace(RIG, hand=dataclasses.replace(RIG.hand, gravity_compensation=mode, **keys))


def test_it_is_off_by_default():
    assert RIG.hand.gravity_compensation == "off"
    gravity = GravityCompensation(RIG)
    gravity.turn(pose_from(np.zeros(3), np.eye(3)))
    assert gravity.torque_nm(POSTURE) is None
    assert not gravity.follows_wrist


def test_the_fixed_direction_is_the_rig_files_and_ignores_the_wrist():
    gravity = GravityCompensation(compensating("fixed", gravity_palm_m_s2=(9.80665, 0.0, 0.0)))
    before = gravity.torque_nm(POSTURE)
    gravity.turn(pose_from(np.zeros(3), rotation_from_rpy(LYING_FLAT * 2)))
    np.testing.assert_array_equal(gravity.torque_nm(POSTURE), before)
    assert (before[[1, 5, 9]] < -0.05).all()  # palm down, gravity closes the fingers: the motors must open them


def test_the_wrist_turns_gravity():
    """A wrist that turns the palm down says what the fixed direction +x of the palm says."""
    fixed = GravityCompensation(compensating("fixed", gravity_palm_m_s2=(9.80665, 0.0, 0.0)))
    wrist = GravityCompensation(compensating("wrist"))
    assert wrist.follows_wrist
    assert wrist.torque_nm(POSTURE) is None, "nothing before the first wrist target"
    wrist.turn(pose_from(np.zeros(3), rotation_from_rpy(LYING_FLAT)))
    np.testing.assert_allclose(wrist.torque_nm(POSTURE), fixed.torque_nm(POSTURE), atol=1e-9)


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [np.nan] * 4, [0, 0, 0, 1.2], [np.inf, 0, 0, 0]])
def test_a_wrist_target_that_is_no_pose_turns_nothing(quaternion):
    gravity = GravityCompensation(compensating("wrist"))
    upright = [0, 0, 0, *quaternion_from_rotation(np.eye(3))]
    gravity.turn(np.array(upright))
    before = gravity.torque_nm(POSTURE)
    gravity.turn(np.array([0, 0, 0, *quaternion]))
    np.testing.assert_array_equal(gravity.torque_nm(POSTURE), before)


any_carry = arrays(np.float64, 16, elements=st.floats(allow_nan=True, allow_infinity=True, width=64))


@given(any_carry, st.sampled_from(Drive), st.floats(0, 1))
def test_no_torque_that_is_carried_leaves_the_limits(carry_nm, drive, share):
    controller = Controller(RIG.hand, MODEL, SCALE)
    controller.torque_share = share
    control = controller.step(POSTURE, 0, drive, carry_nm=carry_nm)
    assert (np.abs(control.torque_nm) <= share * SCALE.torque_limit_nm + 1e-12).all()
    if drive in (Drive.NONE, Drive.DAMP):
        assert not control.wire.any(), "without stiffness nothing is carried"


def sag_rad(rig: Rig) -> float:
    """How far the simulated hand, palm down and softly held, hangs below its command after a second."""
    rig = dataclasses.replace(rig, server=dataclasses.replace(rig.server, wrist_home_rpy_deg=(0.0, 90.0, 0.0)))
    world, gravity = World(rig), GravityCompensation(rig)
    gravity.turn(pose_from(np.zeros(3), rotation_from_rpy(LYING_FLAT)))
    controller = Controller(rig.hand, MODEL, SCALE)
    for cycle in range(333):
        drive = Drive.HOLD if cycle else Drive.DAMP
        position = world.joint_position_rad
        control = controller.step(position, world.time_ns, drive, carry_nm=gravity.torque_nm(position))
        world.advance(control.torque_nm)
    return float(np.abs(world.joint_position_rad - control.command_rad)[[1, 5, 9]].mean())


def test_the_simulated_hand_sags_less():
    soft = dict.fromkeys(("stiffness_nm_per_rad", "thumb_stiffness_nm_per_rad"), (0.6, 0.6, 0.6, 0.6))
    sags = {mode: sag_rad(compensating(mode, **soft)) for mode in ("off", "wrist")}
    assert sags["off"] > 0.05
    assert sags["wrist"] < 0.35 * sags["off"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('gravity_compensation = "on"', "gravity_compensation"),
        ("gravity_palm_m_s2 = [0, 0, -98]", "gravity_palm_m_s2, its length; found: 98"),
        ("stiffness_nm_per_rad = [1, 2, nan, 1]", "hand.stiffness_nm_per_rad; found: nan; allowed: 0.0 to 20.0"),
        ("damping_nm_s_per_rad = [1, 2, 0, -1]", "hand.damping_nm_s_per_rad; found: 2"),
        ("max_speed_rad_per_s = -1", "hand.max_speed_rad_per_s; found: -1"),
    ],
)
def test_numbers_that_the_control_law_must_not_be_built_of_are_refused(line, told, tmp_path):
    file = tmp_path / "lab.toml"
    file.write_text(f'schema = "skin_teleop.rig/1"\nname = "lab"\n[hand]\n{line}\n')
    with pytest.raises(ConfigError, match=told):
        load_rig(str(file))
