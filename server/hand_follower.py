"""One robot hand follows one of the operator's hands: retargeter, tracking gate, filter and wrist of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from server.pose_age import PoseAges
from server.protocol import Handedness
from server.retargeting.calibration import Calibration, load_calibration
from server.retargeting.filter import SpeedAdaptiveFilter
from server.retargeting.human_hand import wrist_tips_m
from server.retargeting.retargeter import VALID_FOR_NS, Retargeter
from server.retargeting.tracking_gate import TrackingGate
from server.retargeting.wrist import WristFollower
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.hand import hand_model
from skin_teleop.messages import Array, Event, JointTarget, Message, WristTarget
from skin_teleop.rig import Rig
from skin_teleop.transforms import rotation_from_quaternion

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedPose:
    """A plausible pose of the operator's hand that drives a robot hand."""

    pose: Array
    """(25, 7) m and quaternion xyzw, XR local-floor."""
    seq: int
    t_pose_ns: int
    engagement: int
    """Number of the engagement that grants motion, 0 = none."""
    t_capture_ns: int | None = None
    """When the headset took it, host monotonic clock; None before the clocks were compared."""


class Road(Protocol):
    """Where messages go: the bus to the hand, or the feed to the recorder."""

    def send(self, message: Message, stream: str) -> object:
        """Send one message under its stream's name."""


def driving_hands(rig: Rig) -> dict[str, Handedness]:
    """Which of the operator's hands drives each robot hand: of two, the second is driven by the other one."""
    first: Handedness = rig.server.driven_hand
    other: Handedness = "left" if first == "right" else "right"
    return dict(zip(rig.hands, (first, other), strict=False))


class HandFollower:
    """Turns poses into JointTarget and WristTarget of one robot hand, published, then recorded."""

    def __init__(self, rig: Rig, device: str) -> None:
        """`device` is the hand's table in the rig file."""
        config, server = rig.hands[device], rig.server
        self.name = config.name
        self._wrist_stream = rig.wrist_stream(device)
        self._model = hand_model(config.model, config.finger_joint1_z_m)
        self._own_scale, self._driven_by = server.hand_scale, driving_hands(rig)[device]
        self.use(load_calibration(Path(server.calibration)) if server.calibration else None)
        self._gate, self._filter = TrackingGate(), SpeedAdaptiveFilter()
        home = (server.wrist_home_m, server.wrist_home_rpy_deg)
        second_home = (server.second_wrist_home_m, server.second_wrist_home_rpy_deg)
        self._wrist = WristFollower(*(home if device == "hand" else second_home), server.wrist_box_m)
        self._engagement = 0
        self._pose: TrackedPose | None = None
        self._q_rad = self._retargeter.last.q_rad
        self.targets = 0
        self.held = 0
        self.held_because = ""
        self._held_before = self._events = 0
        self.solve_us = 0.0
        self.pose_to_target_us = 0.0
        self.finger_error_m: list[float] = []
        self.ages = PoseAges()

    def use(self, calibration: Calibration | None) -> None:
        """Retarget with this calibration from the next pose on, or with the rig's scale; from any thread."""
        scale, tuning = (calibration.scale, calibration.tuning()) if calibration else (self._own_scale, None)
        self._retargeter = Retargeter(self._model, scale, self._driven_by, tuning=tuning)

    @property
    def finger_scale(self) -> list[float]:
        """Robot fingertip distance per human one, in the order of `skin_teleop.hand.FINGERS`."""
        scale: list[float] = self._retargeter.scale.tolist()
        return scale

    @property
    def wrist_jumps(self) -> int:
        """How often the wrist jumped and took a new anchor."""
        return self._wrist.jumps

    def connect(self, publisher: Road, feed: Road) -> None:
        """Send by these from now on."""
        self._publisher, self._feed = publisher, feed

    def release_unless(self, engagement: int) -> None:
        """Withdraw a last target that another engagement than this one granted; 0 grants none."""
        if self._engagement in (0, engagement) or self._pose is None:
            return
        self._engagement = 0
        self._publish(self._pose)

    def follow(self, work: TrackedPose) -> None:
        """Answer a pose with targets, or keep the last ones where it cannot be a hand."""
        rotation = rotation_from_quaternion(work.pose[0, 3:])
        leap = self._gate.fault(work.pose[:, :3], rotation, work.t_pose_ns)
        answer = self._retargeter.solve(work.pose[:, :3], rotation)
        if leap or answer.held:
            self.release_unless(work.engagement)
            self._hold(leap or answer.held)
            return
        if work.engagement != self._engagement or not work.engagement:
            self._wrist.release()
        if work.engagement:
            self._wrist.follow(work.pose[0, :3].astype(float), rotation, work.t_pose_ns)
        self._engagement, self._pose = work.engagement, work
        self._q_rad = self._filter.apply(
            answer.q_rad, wrist_tips_m(work.pose[:, :3], rotation), work.t_pose_ns / NS_PER_S
        )
        self._follow_again()
        self.solve_us, self.finger_error_m = answer.solve_us, answer.finger_error_m.tolist()
        self._publish(work)

    def _hold(self, reason: str) -> None:
        """Keep the last target; when the hand is back, it is followed from there without the filter's memory."""
        self.held += 1
        if not self.held_because:
            log.info("the target of %s is held: %s", self.name, reason)
            self._held_before = self.held - 1
            self._record("begin", reason, 0)
        self.held_because = reason
        self._filter.reset()

    def _follow_again(self) -> None:
        if self.held_because:
            self._record("end", self.held_because, self.held - self._held_before)
        self.held_because = ""

    def _record(self, edge: str, cause: str, poses: int) -> None:
        self._events += 1
        facts = {"device": self.name, "edge": edge, "cause": cause, "poses": poses}
        self._feed.send(Event.now("target_held", self._events, **facts), "events")

    def _publish(self, pose: TrackedPose) -> None:
        self.targets += 1
        stamp = Stamp.now()
        target = JointTarget.stamped(
            stamp,
            self.targets,
            target=self._q_rad,
            engaged=int(self._engagement > 0),
            valid_until=pose.t_pose_ns + VALID_FOR_NS,
            pose_seq=pose.seq,
            t_pose=pose.t_pose_ns,
        )
        wrist = WristTarget.stamped(stamp, self.targets, pose=self._wrist.pose)
        self._publisher.send(target, f"{self.name}_target")
        self._publisher.send(wrist, self._wrist_stream)
        self.pose_to_target_us = (stamp.t_mono - pose.t_pose_ns) / 1000
        if pose.t_capture_ns is not None:
            self.ages.note(stamp.t_mono - pose.t_capture_ns)
        self._feed.send(target, f"{self.name}_target")
        self._feed.send(wrist, self._wrist_stream)
