"""A hand that follows a script: every finger closes until it feels a wanted force, the wrist moves in straight lines.

The loop is that of the hand node: joint-space PD every control period under the real torque limits. What the script
may know is what a robot could know: forces on its pads, its own pose, and where the object is seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivers.simulated.hand_model import PALM, motor_limit_nm
from drivers.simulated.world import World
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.hand import hand_model, is_left
from skin_teleop.messages import JointState, Truth
from skin_teleop.rig import Rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array, pose_from, rotation_about, rotation_from_rpy

OPEN_RAD = np.array([0, 0.1, 0.1, 0.1] * 3 + [1.2, 0.1, 0, 0])
CLOSED_RAD = np.array([0, 1.0, 1.3, 1.0] * 3 + [1.3, 0.3, 0.8, 0.8])
FLAT_RAD = np.array([0, 0.0, 0.0, 0.0] * 3 + [0.263, 0.0, 0, 0])
"""Postures (16,) of a right hand, V4 and V5 alike; a left hand takes their mirror images."""
MOST_CLOSED = 1.35
"""Share of the way from open to closed at which a finger gives up."""
CLOSING_PER_S, RELAXING_PER_S, OPENING_PER_S = 1.4, 0.8, 3.0
"""How fast a finger closes while it feels too little, eases while it feels too much, opens to let go, in shares."""
GAIN_PER_N = 0.6
"""Speed of closing per newton that is missing, shares/s."""

SkinListener = Callable[[Truth, Array], None]
JointListener = Callable[[JointState], None]


class ScriptedHand:
    """Drives a world by forces and wrist poses; hands every skin frame and control cycle to listeners."""

    def __init__(self, rig: Rig, world: World, start: Stamp, on_skin: SkinListener, on_joints: JointListener) -> None:
        self.world = world
        self._start = start
        self._on_skin, self._on_joints = on_skin, on_joints
        self._stiffness = np.array([*rig.hand.stiffness_nm_per_rad * 3, *rig.hand.thumb_stiffness_nm_per_rad])
        self._damping = np.array([*rig.hand.damping_nm_s_per_rad * 3, *rig.hand.thumb_damping_nm_s_per_rad])
        model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
        self._open, self._closed, self._flat = (
            model.clamp(model.mirrored(posture)) for posture in (OPEN_RAD, CLOSED_RAD, FLAT_RAD)
        )
        self._limit_nm = motor_limit_nm(model)
        self.side = -1.0 if is_left(model.name) else 1.0
        """Direction along the world's y in which the palm faces."""
        self._finger_of_pad = _fingers(rig)
        self._velocity_at = [world.model.joint(f"joint_{k}").dofadr[0] for k in range(16)]
        self._home = rotation_from_rpy(np.deg2rad(rig.server.wrist_home_rpy_deg))
        self._cycles = 0
        self.at_m = np.array(rig.server.wrist_home_m)
        self.turn = (np.array([0.0, 0.0, 1.0]), 0.0)
        """Axis and angle by which the wrist is turned from home, rad; set as a whole."""
        self._turned: tuple[Array, float] | None = None
        self._quaternion = np.zeros(4)
        self.closed = np.zeros(4)
        """Share of the way from open to closed of each finger."""
        self.wanted_n: Array | None = None
        """(4,) force that each finger seeks, N; None lets the fingers open."""
        self.flat = False
        """Fingers stretched out instead of bent."""
        self.truth: Truth | None = None
        self.strongest_since_n = self.largest_jump_n = 0.0
        """Largest force of a pad, and its largest change between two skin frames, since a script's `watch_anew`, N."""

    def watch_anew(self) -> None:
        """Forget the largest force and the largest jump of force so far."""
        self.strongest_since_n = self.largest_jump_n = 0.0

    @property
    def time_s(self) -> float:
        """Simulated time, s."""
        return self.world.time_ns / NS_PER_S

    @property
    def finger_force_n(self) -> Array:
        """(4,) force on the pads of each finger, N."""
        return self._forces()[:4]

    @property
    def palm_force_n(self) -> float:
        """Force on the pads of the palm, N."""
        return float(self._forces()[4])

    def _forces(self) -> Array:
        forces = np.zeros(5)
        if self.truth is not None:
            np.add.at(forces, self._finger_of_pad, np.linalg.norm(self.truth.pad_wrench[:, :3], axis=-1))
        return forces

    def wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; stops early and returns True as soon as `until` holds at the end of a skin frame."""
        return self.move(self.at_m, seconds, until=until)

    def move(
        self,
        to_m: Array,
        seconds: float,
        *,
        angle_rad: float | None = None,
        until: Callable[[], bool] | None = None,
    ) -> bool:
        """Move the wrist along a straight line, turning to `angle_rad` about the present axis; see `wait`."""
        start_m, start_angle = self.at_m.copy(), self.turn[1]
        end_angle = start_angle if angle_rad is None else angle_rad
        start_s = self.time_s
        while (share := (self.time_s - start_s) / seconds) < 1:
            eased = share * share * (3 - 2 * share)
            self.at_m = start_m + eased * (np.asarray(to_m) - start_m)
            if end_angle != start_angle:
                self.turn = (self.turn[0], start_angle + eased * (end_angle - start_angle))
            if self._cycle() and until is not None and until():
                return True
        return False

    def follow(self, path: Callable[[float], Array], seconds: float) -> None:
        """Move the wrist along a path of places by seconds since its start, m."""
        start_s = self.time_s
        while (elapsed := self.time_s - start_s) < seconds:
            self.at_m = path(elapsed)
            self._cycle()

    def _cycle(self) -> bool:
        """One control period; True when a skin frame was completed."""
        world = self.world
        target = self._joint_target()
        position, velocity = world.joint_position_rad, world.data.qvel[self._velocity_at]
        torque = np.clip(
            self._stiffness * (target - position) - self._damping * velocity, -self._limit_nm, self._limit_nm
        )
        world.advance(torque)
        self._cycles += 1
        stamp = self._stamp(world.time_ns)
        sent = JointState.stamped(
            stamp,
            self._cycles,
            position=position,
            velocity=velocity,
            target=target,
            torque_command=torque,
            target_seq=0,
            t_command=stamp.t_mono,
        )
        self._on_joints(sent)
        truth = world.skin_frame(self._stamp)
        if truth is None:
            return False
        self._watch(truth)
        self.truth = truth
        self._on_skin(truth, world.scan.counts)
        self._adjust_grip()
        world.aim_wrist(np.concatenate([self.at_m, self._facing()]))
        return True

    def _facing(self) -> Array:
        """(4,) quaternion of the wrist; worked out anew only where it turns."""
        if self._turned is not self.turn:
            axis, angle = self.turn
            self._quaternion = pose_from(self.at_m, rotation_about(axis, angle) @ self._home)[3:]
            self._turned = self.turn
        return self._quaternion

    def _watch(self, truth: Truth) -> None:
        """Note the largest force of a pad and its largest change since the frame before."""
        size_n = np.linalg.norm(truth.pad_wrench[:, :3], axis=-1)  # (18,)
        self.strongest_since_n = max(self.strongest_since_n, float(size_n.max()))
        if self.truth is not None:
            before_n = np.linalg.norm(self.truth.pad_wrench[:, :3], axis=-1)
            self.largest_jump_n = max(self.largest_jump_n, float(np.abs(size_n - before_n).max()))

    def _stamp(self, time_ns: int) -> Stamp:
        return Stamp(time_ns, self._start.t_mono + time_ns, self._start.t_wall + time_ns)

    def _joint_target(self) -> Array:
        rest = self._flat if self.flat else self._open
        return np.asarray(rest + np.repeat(self.closed, 4) * (self._closed - rest))

    def _adjust_grip(self) -> None:
        """Close each finger while it feels less than wanted, open it while it feels more; once per skin frame."""
        if self.wanted_n is None:
            speed = np.full(4, -OPENING_PER_S)
        else:
            missing_n = self.wanted_n - self.finger_force_n
            speed = np.clip(GAIN_PER_N * missing_n, -RELAXING_PER_S, CLOSING_PER_S)
        self.closed = np.clip(self.closed + 0.01 * speed, 0, MOST_CLOSED)

    def palm_distance_m(self, to_m: Array) -> float:
        """Distance of palm_link from a point of the world, m."""
        return float(np.linalg.norm(self.world.data.body(PALM).xpos - to_m))


def _fingers(rig: Rig) -> Array:
    """(18,) finger of each pad: 0 index to 3 thumb, 4 for the palm."""
    links = [pad.link for pad in skin_layout(rig.skin.layout).pads]
    return np.array([4 if link == PALM else int(link.removeprefix("link_")) // 4 for link in links])
