"""The thread that turns the operator's newest pose into targets: the event loop never solves anything."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from server.newest import Newest
from server.pose_age import PoseAges
from server.retargeting.calibration import Calibration, load_calibration
from server.retargeting.filter import SpeedAdaptiveFilter
from server.retargeting.human_hand import wrist_tips_m
from server.retargeting.retargeter import VALID_FOR_NS, Retargeter
from server.retargeting.tracking_gate import TrackingGate
from server.retargeting.wrist import WristFollower
from skin_teleop.bus import Publisher, RecorderFeed
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.hand import hand_model
from skin_teleop.messages import Array, Event, JointTarget, WristTarget
from skin_teleop.rig import Rig
from skin_teleop.transforms import rotation_from_quaternion

log = logging.getLogger(__name__)

IDLE_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class TrackedPose:
    """A plausible pose of the driven hand."""

    pose: Array
    """(25, 7) m and quaternion xyzw, XR local-floor."""
    seq: int
    t_pose_ns: int
    engagement: int
    """Number of the engagement that grants motion, 0 = none."""
    t_capture_ns: int | None = None
    """When the headset took it, host monotonic clock; None before the clocks were compared."""


class Released:
    """Motion is no longer granted; the last target must be withdrawn at once."""


Work = TrackedPose | Released


class Follower(threading.Thread):
    """Takes work from a slot, publishes JointTarget and WristTarget, then records both."""

    def __init__(self, rig: Rig, runtime: Path, work: Newest[Work]) -> None:
        super().__init__(name="follower", daemon=True)
        self._runtime = runtime
        self._work = work
        self._stream = f"{rig.hand.name}_target"
        self._server = server = rig.server
        self._model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
        self.use(load_calibration(Path(server.calibration)) if server.calibration else None)
        self._gate, self._filter = TrackingGate(), SpeedAdaptiveFilter()
        self._wrist = WristFollower(server.wrist_home_m, server.wrist_home_rpy_deg, server.wrist_box_m)
        self._leaving = threading.Event()
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
        scale, tuning = (calibration.scale, calibration.tuning()) if calibration else (self._server.hand_scale, None)
        self._retargeter = Retargeter(self._model, scale, self._server.driven_hand, tuning=tuning)

    @property
    def finger_scale(self) -> list[float]:
        """Robot fingertip distance per human one, in the order of `skin_teleop.hand.FINGERS`."""
        scale: list[float] = self._retargeter.scale.tolist()
        return scale

    def leave(self) -> None:
        """End the thread soon."""
        self._leaving.set()

    @property
    def wrist_jumps(self) -> int:
        """How often the wrist jumped and took a new anchor."""
        return self._wrist.jumps

    def run(self) -> None:
        """Serve until `leave`."""
        self._publisher, self._feed = Publisher(self._runtime, "server"), RecorderFeed(self._runtime)
        try:
            while not self._leaving.is_set():
                self._serve(self._work.take(IDLE_S))
        except Exception:
            log.exception("the retargeting thread failed; targets expire and the hand holds by itself")
        finally:
            self._publisher.close()
            self._feed.close()

    def _serve(self, work: Work | None) -> None:
        if isinstance(work, Released):
            self._engagement = 0
            if self._pose is not None:
                self._publish(self._pose)
        elif work is not None:
            self._follow(work)

    def _follow(self, work: TrackedPose) -> None:
        rotation = rotation_from_quaternion(work.pose[0, 3:])
        leap = self._gate.fault(work.pose[:, :3], rotation, work.t_pose_ns)
        answer = self._retargeter.solve(work.pose[:, :3], rotation)
        if leap or answer.held:
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
            log.info("the target is held: %s", reason)
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
        self._feed.send(Event.now("target_held", self._events, edge=edge, cause=cause, poses=poses), "events")

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
        self._publisher.send(target, self._stream)
        self._publisher.send(wrist, "wrist")
        self.pose_to_target_us = (stamp.t_mono - pose.t_pose_ns) / 1000
        if pose.t_capture_ns is not None:
            self.ages.note(stamp.t_mono - pose.t_capture_ns)
        self._feed.send(target, self._stream)
        self._feed.send(wrist, "wrist")
