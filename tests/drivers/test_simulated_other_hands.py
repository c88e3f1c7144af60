"""Left hands and V5 hands: the scripts follow the hand's own table, and the whole scene is mirrored for a left one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drivers.simulated.objects import draw
from drivers.simulated.scripted.episode import Episode, play_episode
from drivers.simulated.scripted.robot import CLOSED_RAD, OPEN_RAD
from drivers.simulated.world import World
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.hand import hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.messages import JointState, Truth
from skin_teleop.rig import Rig, load_rig

OTHER_HANDS = ("simulated_left", "simulated_v5", "simulated_v5_left")


def with_object(rig: Rig, name: str) -> Rig:
    return dataclasses.replace(rig, world=dataclasses.replace(rig.world, object=name))


def played(action: str, rig: Rig) -> tuple[Episode, list[Truth], list[JointState]]:
    """Four seconds of an action with the can."""
    truths: list[Truth] = []
    joints: list[JointState] = []
    episode = play_episode(
        rig,
        action,
        "pringle",
        4.0,
        [3],
        start=Stamp(0, 0, 0),
        on_skin=lambda truth, sent: truths.append(truth),
        on_joints=joints.append,
    )
    return episode, truths, joints


@pytest.mark.parametrize("name", OTHER_HANDS)
def test_a_left_hand_and_a_v5_squeeze_what_they_are_given(name: str) -> None:
    rig = load_rig(name)
    episode, truths, joints = played("squeeze", rig)
    assert len(episode.attempts) == 4
    assert all(attempt.kept for attempt in episode.attempts)
    inside = [truth for truth in truths if truth.phase]
    force_n = np.array([np.linalg.norm(truth.pad_wrench[:, :3], axis=-1).sum() for truth in inside])
    assert np.ptp(force_n) > 0.25 * force_n.mean()
    side = -1 if "left" in name else 1
    ahead_m = np.array([truth.object_pose[1] - truth.palm_pose[1] for truth in inside])
    assert (side * ahead_m > 0.02).all(), "the object is in front of the palm"
    model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
    position = np.array([state.position for state in joints])
    assert (position > model.lower_rad - 0.05).all()
    assert (position < model.upper_rad + 0.05).all()


@pytest.mark.parametrize("name", OTHER_HANDS)
def test_every_other_hand_lifts_what_it_grasped_and_lets_it_fall(name: str) -> None:
    episode, truths, _ = played("pick-and-drop", load_rig(name))
    kept = [attempt for attempt in episode.attempts if attempt.kept]
    assert len(kept) >= 1
    time_s = np.array([truth.t_dev for truth in truths]) / NS_PER_S
    height_m = np.array([truth.object_pose[2] for truth in truths])
    mine = height_m[(time_s > kept[0].start_s) & (time_s <= kept[0].end_s)]
    assert mine.max() > mine[0] + 0.03
    assert mine[-1] < mine.max() - 0.03


@pytest.mark.parametrize(("left", "right"), [("simulated_left", "simulated"), ("simulated_v5_left", "simulated_v5")])
def test_a_left_hands_postures_mirror_the_right_ones(left: str, right: str) -> None:
    """Within 0.5 mm: the URDFs of the two V5 hands are rounded differently at the thumb."""
    mirror, tips = np.array([1, -1, 1]), {}
    for name in (left, right):
        rig = load_rig(name)
        model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
        tips[name] = [
            hand_posture(model, model.clamp(model.mirrored(posture))).tip_position_m
            for posture in (OPEN_RAD, CLOSED_RAD)
        ]
    np.testing.assert_allclose(tips[left], tips[right] * mirror, atol=5e-4)


def test_a_left_hand_at_home_is_the_mirror_image_of_the_right_one() -> None:
    left, right = (World(load_rig(name)) for name in ("simulated_left", "simulated"))
    for body in ("palm", "link_0", "link_15", "pringle", "legopool"):
        mirrored_m = right.data.body(body).xpos * [1, -1, 1]
        np.testing.assert_allclose(left.data.body(body).xpos, mirrored_m, atol=1e-6, err_msg=body)


def test_a_world_starts_inside_the_joint_limits() -> None:
    """A left V5's joint 13 counts from half a turn; at zero it would start two radians outside."""
    rig = load_rig("simulated_v5_left")
    model, world = hand_model(rig.hand.model), World(rig)
    assert (world.joint_position_rad >= model.lower_rad).all()
    assert (world.joint_position_rad <= model.upper_rad).all()
    assert world.joint_position_rad[13] == pytest.approx(np.pi)


def test_a_drawn_object_is_mirrored_for_a_left_hand() -> None:
    right = draw("drill", np.random.default_rng(1)).scene
    worlds = [World(with_object(load_rig(rig), "drill"), objects={"drill": scene})
              for rig, scene in (("simulated", right), ("simulated_left", right.mirrored()))]  # fmt: skip
    head_m = [world.data.geom("drill_1").xpos for world in worlds]
    np.testing.assert_allclose(head_m[1], head_m[0] * [1, -1, 1], atol=1e-9)
    flap = draw("flap", np.random.default_rng(1)).scene
    assert flap.mirrored().hinge_axis == (-1.0, 0.0, 0.0)
    assert flap.mirrored().mirrored().start_m == flap.start_m
