"""Skin frames end every 10 ms of simulated time, whatever the hand's period; wrist and truth are as they say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drivers.simulated.hand_model import WRIST
from drivers.simulated.world import World
from drivers.simulated.wrist_drive import MAX_WRIST_LEAD_M, MAX_WRIST_SPEED_M_PER_S
from skin_teleop.clock import NS_PER_MS
from skin_teleop.messages import Truth
from skin_teleop.rig import load_rig
from skin_teleop.transforms import rotation_from_quaternion

RIG = load_rig("simulated")


def world_of(period_ms: int = 3, timestep_ms: float = 1.5) -> World:
    hand = dataclasses.replace(RIG.hand, period_ms=period_ms)
    return World(dataclasses.replace(RIG, hand=hand, world=dataclasses.replace(RIG.world, timestep_ms=timestep_ms)))


def frames(world: World, periods: int) -> list[Truth]:
    truths = []
    for _ in range(periods):
        world.advance(np.zeros(16))
        while (truth := world.skin_frame()) is not None:
            truths.append(truth)
    return truths


@pytest.mark.parametrize(("period_ms", "timestep_ms"), [(3, 1.5), (3, 3.0), (7, 1.0), (10, 2.0), (20, 2.0)])
def test_frames_end_every_10_ms_whatever_the_hands_period(period_ms: int, timestep_ms: float) -> None:
    world = world_of(period_ms, timestep_ms)
    truths = frames(world, 210 // period_ms)
    simulated_ms = 210 // period_ms * period_ms
    assert world.time_ns == simulated_ms * NS_PER_MS
    assert [truth.t_dev for truth in truths] == [10 * k * NS_PER_MS for k in range(1, simulated_ms // 10 + 1)]
    assert [truth.seq for truth in truths] == list(range(1, len(truths) + 1))
    assert world.data.time == pytest.approx(simulated_ms / 1000, abs=1e-9), "no step is lost or taken twice"


def test_a_frame_waits_until_it_is_asked_for() -> None:
    world = world_of()
    for _ in range(4):
        world.advance(np.zeros(16))
    assert world.ended_skin_period_ns == 10 * NS_PER_MS
    truth = world.skin_frame()
    assert truth is not None
    assert truth.t_dev == 10 * NS_PER_MS
    assert world.ended_skin_period_ns is None
    assert world.skin_frame() is None


def test_the_wrist_is_never_faster_nor_farther_ahead_than_its_limits() -> None:
    world = world_of()
    home = frames(world, 4)[0].palm_pose
    assert world.aim_wrist(home + np.array([0.2, 0, 0.1, 0, 0, 0, 0]))
    assert not world.aim_wrist(np.full(7, np.nan))
    mocap = world.model.body(WRIST).mocapid[0]
    for _ in range(40):
        before = world.data.mocap_pos[mocap].copy()
        palm = world.data.joint("palm").qpos[:3].copy()
        world.advance(np.zeros(16))
        after = world.data.mocap_pos[mocap]
        assert np.linalg.norm(after - before) <= MAX_WRIST_SPEED_M_PER_S * 0.003 + 1e-9
        assert np.linalg.norm(after - palm) <= MAX_WRIST_LEAD_M + 1e-9
    moved = frames(world, 30)[-1].palm_pose - home
    assert moved[0] > 0.03
    assert moved[2] > 0.01


def test_poses_and_twists_of_the_truth_are_the_engines() -> None:
    world = world_of()
    joint = world.data.joint("pringle")
    joint.qpos[3:] = np.array([0.5, 0.5, -0.5, 0.5])
    joint.qpos[2] = 0.4
    joint.qvel[:] = [0.1, 0.2, 0.3, 1.0, -2.0, 0.5]
    truth = frames(world, 10)[-1]
    at = list(world._objects).index("pringle")
    np.testing.assert_array_equal(truth.object_pose, truth.scene_pose[at])
    assert np.isnan(truth.scene_pose[len(world._objects) :]).all()
    pose, turn = truth.object_pose, rotation_from_quaternion(truth.object_pose[3:])
    np.testing.assert_allclose(pose[:3], joint.qpos[:3], atol=1e-9)
    np.testing.assert_allclose(pose[3:], joint.qpos[[4, 5, 6, 3]], atol=1e-9)
    np.testing.assert_allclose(truth.object_twist[:3], joint.qvel[:3], atol=1e-9)
    np.testing.assert_allclose(truth.object_twist[3:], turn @ joint.qvel[3:], atol=1e-9)
    assert np.isnan(truth.plug_in_socket).all()
