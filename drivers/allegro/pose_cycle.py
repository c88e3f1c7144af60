"""Collect the four pose frames of one control cycle: the hand is the clock of the loop."""

from __future__ import annotations

import numpy as np

from drivers.allegro.codec import N_FINGERS, FingerPose
from skin_teleop.messages import N_JOINTS
from skin_teleop.transforms import Array

ALL_FINGERS = (1 << N_FINGERS) - 1


class PoseCycle:
    """A bit mask of fingers heard; a finger heard twice begins a new cycle and the old one's gaps are counted."""

    def __init__(self) -> None:
        self._counts = np.zeros((N_FINGERS, 4), np.int16)
        self._heard = 0
        self._periods = 1
        self.missing = 0
        """Pose frames that never came, in total."""

    def add(self, pose: FingerPose) -> int:
        """Take one frame. Returns 0, or once all four are there the hand periods since the last complete cycle."""
        bit = 1 << pose.finger
        if self._heard & bit:
            self.missing += N_FINGERS - self._heard.bit_count()
            self._heard = 0
            self._periods += 1
        self._counts[pose.finger] = pose.counts
        self._heard |= bit
        if self._heard != ALL_FINGERS:
            return 0
        periods, self._periods, self._heard = self._periods, 1, 0
        return periods

    @property
    def counts(self) -> Array:
        """(16,) encoder counts of the newest frames."""
        return self._counts.reshape(N_JOINTS)
