"""The six hand tables against the vendor's own numbers, and left hands against right ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skin_teleop.errors import ConfigError
from skin_teleop.hand import BARE_FINGER_JOINT1_Z_M, FINGERS, HAND_MODELS, HandModel, hand_model, is_v4
from skin_teleop.kinematics import hand_posture
from skin_teleop.rig import load_rig

WONIK_HOME_DEG = [0, -10, 45, 45, 0, -10, 45, 45, 5, -5, 50, 45, 60, 25, 15, 45]
MIRROR = np.diag([1, -1, 1])
POSES = st.lists(st.floats(-1, 1), min_size=16, max_size=16)


def bare(name: str) -> HandModel:
    return hand_model(name, BARE_FINGER_JOINT1_Z_M if is_v4(name) else None)


def urdf(reference_data: Path, name: str) -> dict:
    models = json.loads((reference_data / "allegro_kinematics.json").read_text())["models"]
    version, side, *kind = name.removeprefix("allegro_").split("_")
    return models["_".join([version, side, *(k.upper() for k in kind)])]


@pytest.mark.parametrize("name", HAND_MODELS)
@pytest.mark.parametrize(("pose", "q_deg"), [("zero", [0.0] * 16), ("wonik_home_deg", WONIK_HOME_DEG)])
def test_the_fingertips_are_where_the_vendors_chain_puts_them(reference_data, name, pose, q_deg):
    tips = hand_posture(bare(name), np.deg2rad(q_deg)).tip_position_m
    expected = [urdf(reference_data, name)["fk_check"][finger][pose] for finger in FINGERS]
    np.testing.assert_allclose(tips, expected, atol=1e-5)


@pytest.mark.parametrize("name", HAND_MODELS)
def test_limits_and_masses_are_the_vendors(reference_data, name):
    model, vendor = hand_model(name), urdf(reference_data, name)
    joints = {_number(j["name"]): j for j in vendor["joints"] if j["type"] == "revolute"}
    masses = {_number(body["name"]): body["mass"] for body in vendor["links"] if _is_finger_link(body["name"])}
    np.testing.assert_allclose(model.lower_rad, [joints[k]["limit"]["lower"] for k in range(16)])
    np.testing.assert_allclose(model.upper_rad, [joints[k]["limit"]["upper"] for k in range(16)])
    np.testing.assert_allclose(model.link_mass_kg, [masses[k] for k in range(16)])


def _number(name: str) -> int:
    return int(name.replace(".0", "").split("_")[1])


def _is_finger_link(name: str) -> bool:
    return name.startswith("link_") and not name.endswith("tip")


@pytest.mark.parametrize(
    ("right", "left", "tolerance_m"),
    [
        ("allegro_v4_right", "allegro_v4_left", 1e-9),
        ("allegro_v5_right_a", "allegro_v5_left_a", 0.0026),  # its URDF puts one finger root of each side at x 0.0025
        ("allegro_v5_right_b", "allegro_v5_left_b", 0.0004),  # its left URDF writes 3.14 for half a turn
    ],
)
@settings(deadline=None)
@given(q=POSES)
def test_a_mirrored_pose_puts_the_left_fingertips_at_the_mirror_image(right, left, tolerance_m, q):
    image = hand_posture(hand_model(right), np.array(q)).tip_position_m @ MIRROR
    mirrored = hand_posture(hand_model(left), hand_model(left).mirrored(np.array(q))).tip_position_m
    np.testing.assert_allclose(mirrored, image, atol=tolerance_m)


def test_a_right_hand_leaves_a_right_hand_pose_alone():
    pose = np.linspace(-0.3, 0.3, 16)
    np.testing.assert_array_equal(hand_model("allegro_v5_right_b").mirrored(pose), pose)


def test_a_v4_abduction_changes_sign_and_a_v5_thumb_counts_from_half_a_turn():
    pose = np.zeros(16)
    pose[[0, 4, 8, 13]] = 0.1, 0.2, 0.3, 0.4
    assert hand_model("allegro_v4_left").mirrored(pose)[[0, 4, 8, 13]].tolist() == [-0.1, -0.2, -0.3, 0.4]
    assert hand_model("allegro_v5_left_a").mirrored(pose)[13] == pytest.approx(np.pi - 0.4)


@pytest.mark.parametrize("name", HAND_MODELS)
def test_every_table_is_usable_by_a_physics_engine(name):
    model = hand_model(name)
    assert (model.lower_rad < model.upper_rad).all()
    assert (model.link_mass_kg > 0).all()
    assert (model.link_box_size_m > 0).all()
    np.testing.assert_allclose(np.linalg.norm(model.joint_axis, axis=-1), 1)


def test_a_rig_file_that_names_another_model_takes_that_models_own_height(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text('schema = "skin_teleop.rig/1"\nname = "lab"\n[hand]\nmodel = "allegro_v5_right_b"\n')
    assert load_rig(str(path)).hand.finger_joint1_z_m == 0.017


def test_an_unknown_hand_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"'allegro_v6'.*allegro_v4_right, .*allegro_v5_left_b"):
        hand_model("allegro_v6")
