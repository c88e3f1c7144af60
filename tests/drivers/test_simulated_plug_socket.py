"""A plug is pushed into its socket by MuJoCo itself; what the truth says of it is compared with what was done."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from drivers.simulated.plug_socket import CLEARANCE_MM, PEG_HALF_M, PEG_LENGTH_M, insertion
from drivers.simulated.scene import scene_at, standard_objects
from drivers.simulated.world import World
from skin_teleop.messages import Truth
from skin_teleop.rig import Rig, load_rig
from skin_teleop.transforms import pose_from, rotation_about

Z = np.array([0.0, 0.0, 1.0])


def plug_rig(fit: str = "medium", name: str = "simulated") -> Rig:
    rig = load_rig(name)
    return dataclasses.replace(rig, world=dataclasses.replace(rig.world, object="plug", plug_fit=fit))


def run(world: World, seconds: float) -> Truth:
    truth = None
    while world.time_ns < seconds * 1e9:
        world.advance(np.zeros(16))
        truth = world.skin_frame() or truth
    assert truth is not None
    return truth


def push_in(fit: str, *, off_axis_m: float = 0.0, twist_rad: float = 0.0, force_n: float = 6.0) -> Truth:
    """Hold the plug over the socket and push down on it."""
    world = World(plug_rig(fit))
    socket = world.data.body("socket").xpos
    joint = world.data.joint("plug")
    joint.qpos[:3] = socket + np.array([off_axis_m, 0, 0.002])
    joint.qpos[3:] = [np.cos(twist_rad / 2), 0, 0, np.sin(twist_rad / 2)]
    world.data.body("plug").xfrc_applied[2] = -force_n
    return run(world, 0.5)


@pytest.mark.parametrize("fit", CLEARANCE_MM)
def test_a_plug_over_its_socket_is_pushed_in_to_the_end(fit: str) -> None:
    truth = push_in(fit)
    how = insertion(truth.plug_in_socket)
    assert how.depth_m == pytest.approx(PEG_LENGTH_M, abs=5e-4)
    assert how.tilt_rad < np.deg2rad(1)
    assert how.off_axis_m < 1.5e-3 * CLEARANCE_MM[fit]


@pytest.mark.parametrize("fit", CLEARANCE_MM)
def test_a_plug_that_is_off_by_less_than_the_clearance_goes_in_and_by_more_does_not(fit: str) -> None:
    room_m = CLEARANCE_MM[fit] / 1000
    assert insertion(push_in(fit, off_axis_m=0.7 * room_m).plug_in_socket).depth_m > 0.9 * PEG_LENGTH_M
    assert insertion(push_in(fit, off_axis_m=2.5 * room_m + 5e-4).plug_in_socket).depth_m < 1e-3


def test_a_turned_peg_stays_out() -> None:
    truth = push_in("medium", twist_rad=np.deg2rad(35))
    how = insertion(truth.plug_in_socket)
    assert how.depth_m < 1e-3
    assert abs(how.twist_rad) > np.deg2rad(20)


@pytest.mark.parametrize("fit", CLEARANCE_MM)
def test_the_hole_is_wider_than_the_peg_by_the_clearance(fit: str) -> None:
    world = World(plug_rig(fit))
    world.data.joint("plug").qpos[:3] = world.data.body("socket").xpos - [0, 0, PEG_LENGTH_M / 2]
    mujoco.mj_kinematics(world.model, world.data)
    peg = world.model.geom("plug").id
    for wall in ("socket", "socket_1", "socket_2", "socket_3"):
        room_m = mujoco.mj_geomDistance(world.model, world.data, peg, world.model.geom(wall).id, 0.1, None)
        assert room_m == pytest.approx(CLEARANCE_MM[fit] / 1000, abs=1e-6)


def test_the_plug_waits_in_its_rack_and_the_truth_names_all_three() -> None:
    rig = plug_rig()
    truth = run(World(rig), 1.0)
    assert list(standard_objects(rig)) == ["plug", "socket", "rack"]
    rack_from_plug = truth.scene_pose[2, :3] - truth.scene_pose[0, :3]
    np.testing.assert_allclose(rack_from_plug, [0, 0, PEG_LENGTH_M], atol=4e-3)
    assert insertion(truth.scene_pose[0]).tilt_rad < np.deg2rad(9), "it may lean, but not fall"
    np.testing.assert_allclose(truth.object_pose, truth.scene_pose[0])
    apart = truth.scene_pose[0, :3] - truth.scene_pose[1, :3]  # the socket stands upright and unturned
    np.testing.assert_allclose(truth.plug_in_socket[:3], apart, atol=1e-6)
    assert insertion(truth.plug_in_socket).depth_m == 0


def test_the_socket_stays_where_it_is_screwed_and_the_plug_comes_back_to_its_rack() -> None:
    world = World(plug_rig())
    before = world.data.body("socket").xpos.copy()
    world.data.body("socket").xfrc_applied[0] = 50
    world.data.joint("plug").qpos[:3] = [0, 0.7, -0.3]
    run(world, 0.1)
    np.testing.assert_array_equal(world.data.body("socket").xpos, before)
    assert np.linalg.norm(world.data.body("plug").xpos - world.data.body("rack").xpos) < 0.04


def test_a_left_hand_has_the_mirrored_table_and_a_recorded_moment_is_restored() -> None:
    right, left = (standard_objects(plug_rig(name=name)) for name in ("simulated", "simulated_left"))
    for name, thing in right.items():
        np.testing.assert_allclose(left[name].start_m, np.multiply(thing.start_m, [1, -1, 1]))
    rig = plug_rig(name="simulated_left")
    truth = run(World(rig), 0.05)
    _, data = scene_at(rig, np.zeros(16), truth.palm_pose, truth.scene_pose)
    np.testing.assert_allclose(data.body("plug").xpos, truth.scene_pose[0, :3], atol=1e-6)
    np.testing.assert_allclose(data.body("socket").xpos, truth.scene_pose[1, :3], atol=1e-6)


def test_a_world_without_a_socket_has_no_insertion() -> None:
    assert np.isnan(run(World(load_rig("simulated")), 0.05).plug_in_socket).all()


@pytest.mark.parametrize(
    ("place_m", "turn", "depth_mm", "tilt_deg", "twist_deg"),
    [
        ((0, 0, -0.02), rotation_about(Z, 0.1), 20, 0, np.rad2deg(0.1)),
        ((0.001, 0, -0.02), rotation_about(Z, np.pi / 2), 20, 0, 0),
        ((0, 0, 0.01), rotation_about([1.0, 0, 0], 0.2), 0, np.rad2deg(0.2), 0),
        ((2 * PEG_HALF_M, 0, -0.02), np.eye(3), 0, 0, 0),
    ],
)
def test_an_insertion_is_read_from_a_pose(place_m, turn, depth_mm: float, tilt_deg: float, twist_deg: float) -> None:
    how = insertion(pose_from(np.array(place_m, float), turn))
    assert how.depth_m == pytest.approx(depth_mm / 1000)
    assert np.rad2deg(how.tilt_rad) == pytest.approx(tilt_deg, abs=1e-5)
    assert np.rad2deg(how.twist_rad) == pytest.approx(twist_deg, abs=1e-5)
    assert how.off_axis_m == pytest.approx(np.hypot(*place_m[:2]))
