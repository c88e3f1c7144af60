"""The thread that turns the operator's newest poses into targets: the event loop never solves anything."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from server.hand_follower import HandFollower, TrackedPose
from server.newest import Newest
from server.retargeting.calibration import Calibration
from skin_teleop.bus import Publisher, RecorderFeed
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)

IDLE_S = 0.1


class Released:
    """Motion is no longer granted; the last targets must be withdrawn at once."""


Work = dict[str, TrackedPose] | Released
"""The tracked hands of one frame, by the robot hand (its table in the rig file) that each drives."""


class Follower(threading.Thread):
    """Takes work from a slot and lets every robot hand of the rig follow."""

    def __init__(self, rig: Rig, runtime: Path, work: Newest[Work]) -> None:
        super().__init__(name="follower", daemon=True)
        self._runtime = runtime
        self._work = work
        self.hands = {device: HandFollower(rig, device) for device in rig.hands}
        """One for each hand of the rig, by its table in the rig file."""
        self._leaving = threading.Event()

    def use(self, calibration: Calibration | None) -> None:
        """Retarget with this calibration from the next pose on, or with the rig's scale; from any thread."""
        for hand in self.hands.values():
            hand.use(calibration)

    def leave(self) -> None:
        """End the thread soon."""
        self._leaving.set()

    def run(self) -> None:
        """Serve until `leave`."""
        publisher, feed = Publisher(self._runtime, "server"), RecorderFeed(self._runtime)
        for hand in self.hands.values():
            hand.connect(publisher, feed)
        try:
            while not self._leaving.is_set():
                self.serve(self._work.take(IDLE_S))
        except Exception:
            log.exception("the retargeting thread failed; targets expire and the hand holds by itself")
        finally:
            publisher.close()
            feed.close()

    def serve(self, work: Work | None) -> None:
        """Do one piece of work; a hand that is not in it keeps its last target, which expires or is withdrawn.

        Work may have overwritten the news of a release, so that it is judged by the engagement too.
        """
        if work is None:
            return
        poses = {} if isinstance(work, Released) else work
        granted = next((pose.engagement for pose in poses.values()), 0)
        for device, hand in self.hands.items():
            if device in poses:
                hand.follow(poses[device])
            else:
                hand.release_unless(granted)
