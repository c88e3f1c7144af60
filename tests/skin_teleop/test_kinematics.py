from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skin_teleop.errors import ConfigError
from skin_teleop.hand import BARE_FINGER_JOINT1_Z_M, FINGERS, hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import (
    quaternion_from_rotation,
    rotation_about,
    rotation_from_quaternion,
    rotation_from_rpy,
)

WONIK_HOME_DEG = [0, -10, 45, 45, 0, -10, 45, 45, 5, -5, 50, 45, 60, 25, 15, 45]
"""allegro_hand_ros_v4, initial_position.yaml."""
MODEL = hand_model("allegro_v4_right")
unit_interval = st.lists(st.floats(0, 1), min_size=16, max_size=16)


def inside_limits(fractions: list[float]) -> np.ndarray:
    return MODEL.lower_rad + np.array(fractions) * (MODEL.upper_rad - MODEL.lower_rad)


@pytest.mark.parametrize(("name", "q_deg"), [("zero", [0.0] * 16), ("wonik_home_deg", WONIK_HOME_DEG)])
def test_fingertips_agree_with_the_public_urdf(reference_data: Path, name: str, q_deg: list[float]) -> None:
    tables = json.loads((reference_data / "allegro_kinematics.json").read_text())
    expected = tables["models"]["v4_right"]["fk_check"]
    bare = hand_model("allegro_v4_right", BARE_FINGER_JOINT1_Z_M)
    tips = hand_posture(bare, np.deg2rad(q_deg)).tip_position_m
    np.testing.assert_allclose(tips, [expected[finger][name] for finger in FINGERS], atol=1e-5)


def test_joint_table_agrees_with_the_public_urdf(reference_data: Path) -> None:
    joints = json.loads((reference_data / "allegro_kinematics.json").read_text())["models"]["v4_right"]["joints"]
    moving = [joint for joint in joints if joint["type"] == "revolute"]
    moving.sort(key=lambda joint: int(joint["name"].removeprefix("joint_").removesuffix(".0")))
    bare = hand_model("allegro_v4_right", BARE_FINGER_JOINT1_Z_M)
    np.testing.assert_allclose(bare.joint_xyz_m.reshape(16, 3), [j["xyz"] for j in moving], atol=1e-6)
    np.testing.assert_allclose(bare.joint_axis.reshape(16, 3), [j["axis"] for j in moving], atol=1e-6)
    np.testing.assert_allclose(
        rotation_from_rpy(bare.joint_rpy_rad.reshape(16, 3)), rotation_from_rpy([j["rpy"] for j in moving]), atol=1e-4
    )
    np.testing.assert_allclose(bare.lower_rad, [j["limit"]["lower"] for j in moving], atol=1e-3)
    np.testing.assert_allclose(bare.upper_rad, [j["limit"]["upper"] for j in moving], atol=1e-3)


@settings(max_examples=40)
@given(unit_interval)
def test_the_jacobian_is_the_derivative_of_the_fingertips(fractions: list[float]) -> None:
    q, step = inside_limits(fractions), 1e-6
    jacobian = hand_posture(MODEL, q).tip_jacobian()  # (4, 3, 4)
    for joint in range(16):
        moved = np.array(q)
        moved[joint] += step
        rate = (hand_posture(MODEL, moved).tip_position_m - hand_posture(MODEL, q).tip_position_m) / step
        expected = np.zeros((4, 3))
        expected[joint // 4] = jacobian[joint // 4, :, joint % 4]
        np.testing.assert_allclose(rate, expected, atol=1e-6)


def test_a_batch_gives_the_same_as_one_by_one() -> None:
    q = np.random.default_rng(1).uniform(MODEL.lower_rad, MODEL.upper_rad, (2, 3, 16))
    batch = hand_posture(MODEL, q)
    single = hand_posture(MODEL, q[1, 2])
    np.testing.assert_allclose(batch.tip_position_m[1, 2], single.tip_position_m)
    np.testing.assert_allclose(batch.tip_jacobian()[1, 2], single.tip_jacobian())


def test_an_unknown_hand_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'shadow' was asked for; allowed: allegro_v4_right"):
        hand_model("shadow")


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_a_rotation_survives_its_quaternion(rpy: list[float]) -> None:
    rotation = rotation_from_rpy(rpy)
    quaternion = quaternion_from_rotation(rotation)
    assert quaternion[3] >= 0
    np.testing.assert_allclose(rotation_from_quaternion(quaternion), rotation, atol=1e-9)


def test_half_turns_have_a_quaternion() -> None:
    for axis in np.eye(3):
        turned = rotation_about(axis, np.pi)
        np.testing.assert_allclose(rotation_from_quaternion(quaternion_from_rotation(turned)), turned, atol=1e-12)


def test_layout_has_the_pads_of_the_kit() -> None:
    layout = skin_layout()
    assert [pad.count for pad in layout.pads] == [30, 16, 16, *[30, 16, 16, 16] * 3, 24, 24, 24]
    assert sorted(layout.vendor_flat) == list(range(368))
    assert layout.pairing == "assumed"
    np.testing.assert_allclose(np.linalg.norm(layout.normals, axis=1), 1)


def test_the_permutation_goes_there_and_back() -> None:
    layout = skin_layout()
    values = np.arange(368 * 3).reshape(368, 3)
    np.testing.assert_array_equal(layout.to_canonical(layout.to_vendor(values)), values)


def test_the_vendor_order_is_that_of_the_reference_layout(reference_data: Path) -> None:
    rows = json.loads((reference_data / "xela_ah368_layout.json").read_text())["taxels"]
    layout = skin_layout()
    for canonical in range(368):
        row = rows[layout.vendor_flat[canonical]]
        pad = layout.pads[layout.pad_index[canonical]]
        assert (row["module"], row["taxel"]) == (pad.module, layout.vendor_taxel[canonical])
        np.testing.assert_allclose(layout.positions_m["vendor"][canonical], row["right"]["pos"], atol=1e-5)


def test_taxels_move_with_their_links() -> None:
    layout = skin_layout()
    open_hand = layout.positions_in_palm_m(hand_posture(MODEL, np.zeros(16)))
    bent = np.zeros(16)
    bent[1] = 1.0  # index, first flexion
    moved = np.linalg.norm(layout.positions_in_palm_m(hand_posture(MODEL, bent)) - open_hand, axis=-1) > 1e-9
    on_index = np.isin(layout.link_index, [1, 2, 3])
    np.testing.assert_array_equal(moved, on_index)


def test_pad_normals_point_out_of_the_palm_of_an_open_hand() -> None:
    layout = skin_layout()
    normals = layout.normals_in_palm(hand_posture(MODEL, np.zeros(16)))
    for pad in layout.pads:
        if not pad.link.startswith("link_1") or pad.link in ("link_1", "link_10", "link_11"):
            assert normals[pad.taxels].mean(0)[0] > 0.5
