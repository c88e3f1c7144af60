"""Scripted manipulation under the real torque limits: the can is grasped, lifted, turned, dropped; the box pressed."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.allegro.scales import torque_limit_nm
from drivers.simulated.world import OBJECT_ORDER, World
from skin_teleop.messages import Truth
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import pose_from, rotation_about, rotation_from_quaternion, rotation_from_rpy

RIG = load_rig("simulated")
STIFFNESS = np.array([*RIG.hand.stiffness_nm_per_rad] * 3 + [*RIG.hand.thumb_stiffness_nm_per_rad])
DAMPING = np.array([*RIG.hand.damping_nm_s_per_rad] * 3 + [*RIG.hand.thumb_damping_nm_s_per_rad])
LIMIT = torque_limit_nm(0x0402)
OPEN = np.array([0, 0.1, 0.1, 0.1] * 3 + [1.2, 0.1, 0, 0])
CLOSED = np.array([0, 1.0, 1.3, 1.0] * 3 + [1.3, 0.3, 0.8, 0.8])
AHEAD, UP = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


class Operator:
    """Moves joint targets and the wrist in straight lines, with the PD loop that the hand node has."""

    def __init__(self) -> None:
        self.world = World(RIG)
        self.truths: list[Truth] = []
        self._q = np.array([0.0] * 12 + [0.263, 0, 0, 0])
        self._at = np.array(RIG.server.wrist_home_m)
        self._axis, self._angle = AHEAD, 0.0
        self._home = rotation_from_rpy(np.deg2rad(RIG.server.wrist_home_rpy_deg))

    def go(self, seconds: float, *, q=None, at=None, turn=None) -> Truth:
        """Reach joint targets (rad), a wrist position (m), a turn (axis, rad) from home; return the last truth."""
        steps = round(seconds / 0.003)
        q0, at0, angle0 = self._q, self._at, self._angle
        q1, at1 = q0 if q is None else q, at0 if at is None else np.asarray(at)
        self._axis, angle1 = (self._axis, angle0) if turn is None else turn
        for step in range(1, steps + 1):
            share = step / steps
            self._q, self._at = q0 + share * (q1 - q0), at0 + share * (at1 - at0)
            self._angle = angle0 + share * (angle1 - angle0)
            self.world.aim_wrist(pose_from(self._at, rotation_about(self._axis, self._angle) @ self._home))
            self._period()
        return self.truths[-1]

    def _period(self) -> None:
        data = self.world.data
        velocity = np.array([data.joint(f"joint_{k}").qvel[0] for k in range(16)])
        torque = STIFFNESS * (self._q - self.world.joint_position_rad) - DAMPING * velocity
        self.world.advance(np.clip(torque, -LIMIT, LIMIT))
        truth = self.world.skin_frame()
        if truth is not None:
            self.truths.append(truth)

    def grasp(self, height_m: float = 0.12) -> np.ndarray:
        """Come from the side, close around the can; returns the wrist position."""
        can = self.world.data.body("pringle").xpos
        beside = np.array([can[0], can[1] - 0.0565, height_m])
        self.go(0.3, q=OPEN)
        self.go(0.6, at=beside)
        self.go(0.8, q=CLOSED)
        self.go(0.3)
        return beside


def yaw_rad(pose: np.ndarray) -> float:
    x_axis = rotation_from_quaternion(pose[3:])[:, 0]
    return float(np.arctan2(x_axis[1], x_axis[0]))


@pytest.mark.parametrize("height_m", [0.10, 0.12, 0.15])
def test_a_grasped_can_follows_the_lift_and_falls_when_released(height_m: float) -> None:
    operator = Operator()
    beside = operator.grasp(height_m)
    standing = operator.truths[-1].object_pose[2]
    operator.go(0.6, at=beside + 0.1 * UP)
    held = operator.go(1.0)
    assert held.object_pose[2] > standing + 0.08
    assert rotation_from_quaternion(held.object_pose[3:])[2, 2] > 0.95, "the can tips in the hand"
    dropped = operator.go(0.4, q=OPEN)
    dropped = operator.go(0.5)
    assert dropped.object_pose[2] < standing + 0.03


def test_a_grasp_is_felt_by_fingertips_and_palm() -> None:
    operator = Operator()
    operator.grasp()
    pressed = -operator.truths[-1].pad_wrench[:, 2]
    layout = skin_layout()
    for name in ("0aftc", "1aftc", "2aftc", "ahr_palm_1", "ahr_palm_2"):
        assert 1.0 < pressed[layout.pad(name).index] < 20.0, name
    assert pressed[layout.pad("link_1B").index] == 0


def test_a_grasped_can_turns_with_the_wrist() -> None:
    operator = Operator()
    beside = operator.grasp()
    start = yaw_rad(operator.go(0.6, at=beside + 0.08 * UP).object_pose)
    left = yaw_rad(operator.go(0.6, turn=(UP, np.deg2rad(25))).object_pose)
    right = yaw_rad(operator.go(1.0, turn=(UP, np.deg2rad(-25))).object_pose)
    assert np.rad2deg(left - start) == pytest.approx(25, abs=5)
    assert np.rad2deg(right - start) == pytest.approx(-25, abs=5)


def test_a_flat_hand_presses_the_box_with_a_few_newtons() -> None:
    operator = Operator()
    box = operator.world.data.body("legopool").xpos.copy()
    over = np.array([box[0] - 0.03, box[1], 0.20])
    operator.go(0.6, at=over, turn=(AHEAD, -np.pi / 2))
    operator.go(0.4, at=[over[0], over[1], 0.06 + 0.019 + 0.02])
    operator.go(0.5, at=[over[0], over[1], 0.06 + 0.019 - 0.006])
    pressed = operator.go(0.4)
    assert 2.0 < -pressed.pad_wrench[:, 2].sum() < 15.0
    rammed = operator.go(0.5, at=[over[0], over[1], -0.10])
    assert -rammed.pad_wrench[:, 2].sum() < 60.0, "the wrist's push must stay bounded"
    np.testing.assert_allclose(operator.world.data.body("legopool").xpos, box, atol=3e-3)


def test_truth_names_every_object_in_a_constant_order() -> None:
    operator = Operator()
    truth = operator.go(0.05)
    assert OBJECT_ORDER == ("pringle", "legopool")
    np.testing.assert_allclose(truth.scene_pose[0], truth.object_pose)
    np.testing.assert_allclose(truth.scene_pose[1, :3], [-0.08, -0.20, 0.03], atol=1e-3)
    assert np.isnan(truth.scene_pose[2:]).all()
    np.testing.assert_allclose(truth.palm_pose[:3], RIG.server.wrist_home_m, atol=1e-3)


def test_truth_is_stamped_with_simulated_time_at_100_hz() -> None:
    operator = Operator()
    operator.go(0.9)
    assert len(operator.truths) == 90
    assert operator.truths[-1].t_dev == 900_000_000
    assert [truth.seq for truth in operator.truths] == list(range(1, 91))


def test_a_wrist_target_that_is_no_pose_moves_nothing() -> None:
    world = World(RIG)
    assert not world.aim_wrist(np.array([0, 0, np.nan, 0, 0, 0, 1]))
    assert not world.aim_wrist(np.zeros(7))
    world.advance(np.zeros(16))
    np.testing.assert_allclose(world.data.mocap_pos[0], RIG.server.wrist_home_m)


def test_the_wrist_keeps_its_speed_limit() -> None:
    world = World(RIG)
    world.aim_wrist(pose_from([0.09, 0.0, 0.17], rotation_from_rpy([np.pi / 2, 0, np.pi / 2])))
    for _ in range(100):
        world.advance(np.zeros(16))
    travelled = world.data.mocap_pos[0, 0] - RIG.server.wrist_home_m[0]
    assert 0.10 < travelled <= 0.6 * 0.3 + 1e-9


def test_an_object_that_fell_off_the_table_comes_back() -> None:
    world = World(RIG)
    world.data.joint("pringle").qpos[:3] = [0.0, 0.6, -0.3]
    world.advance(np.zeros(16))
    assert world.data.joint("pringle").qpos[2] == pytest.approx(0.1)
