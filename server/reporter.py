"""Collects what the pages say about a running server."""

from __future__ import annotations

import shutil
from pathlib import Path

from dataset_tools.labels import ACTIONS
from server.access import Gate
from server.follower import Follower
from server.hand_follower import HandFollower, driving_hands
from server.status import StatusReport
from server.teleop import Teleop
from skin_teleop.clock import NS_PER_MS

OBJECTS = ("pringle", "legopool", "bottle", "ball", "cloth", "none")
"""Offered in the headset, where nobody types: the simulated world's two, and words for a table in a laboratory."""


class Reporter:
    """Makes reports of one running server."""

    def __init__(self, teleop: Teleop, follower: Follower, gate: Gate) -> None:
        self._teleop = teleop
        self._follower = follower
        self._gate = gate

    def report(self) -> StatusReport:
        """How everything is now."""
        teleop, follower = self._teleop, self._follower
        calibrating = teleop.calibrating
        hands = list(follower.hands.values())
        kept, ages = calibrating.kept, hands[0].ages.median_and_p95_ms() or (None, None)
        rtt_ns, offset_ns = teleop.clock.rtt_ns, teleop.clock.offset_ns
        return StatusReport(
            rig=teleop.rig.name,
            state=teleop.state.state.word,
            cause=teleop.state.cause,
            connected=self._gate.seat_taken,
            desk_pages=teleop.audience.desk_pages,
            driven_hand=" and ".join(driving_hands(teleop.rig).values()),
            poses=teleop.poses,
            poses_per_s=teleop.rates.per_s,
            distinct_poses_per_s=teleop.rates.distinct_per_s,
            rejected=dict(teleop.rejected),
            refused_connections=dict(self._gate.refused),
            dropped=teleop.dropped,
            targets=sum(hand.targets for hand in hands),
            solve_us=round(sum(hand.solve_us for hand in hands), 1),
            pose_to_target_us=round(max(hand.pose_to_target_us for hand in hands), 1),
            age_p50_ms=ages[0],
            age_p95_ms=ages[1],
            finger_error_mm=[round(1000 * error, 1) for hand in hands for error in hand.finger_error_m],
            wrist_jumps=sum(hand.wrist_jumps for hand in hands),
            held_because="; ".join(_named(hand, len(hands)) for hand in hands if hand.held_because),
            held_poses=sum(hand.held for hand in hands),
            rtt_ms=None if rtt_ns is None else rtt_ns / NS_PER_MS,
            clock_offset_ms=None if offset_ns is None else offset_ns / NS_PER_MS,
            hand_state=teleop.hands.words,
            desk_dead_man=teleop.desk_dead_man,
            simulated=teleop.rig.world is not None,
            recorder=teleop.recording.status,
            session_s=teleop.recording.session_s,
            disk_free_gb=_free_gb(Path(teleop.rig.recorder.folder)),
            operator=calibrating.operator,
            operators=calibrating.operators,
            calibration_version=kept.version if kept else 0,
            calibration_quality=kept.calibration.quality if kept else None,
            finger_scale=hands[0].finger_scale,
            objects=list(OBJECTS),
            actions=list(ACTIONS),
        )


def _named(hand: HandFollower, hands: int) -> str:
    """Why a hand is held, with its name where there are two."""
    return f"{hand.name}: {hand.held_because}" if hands > 1 else hand.held_because


def _free_gb(folder: Path) -> float:
    """Of the disk that will hold `folder`, which may not be there yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return round(shutil.disk_usage(there).free / 1e9, 1)
