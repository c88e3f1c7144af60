"""A low-pass filter that opens with speed: calm where the hand rests, quick where it moves.

The One-Euro filter of Casiez, Roussel and Vogel (CHI 2012, "1 Euro Filter"), joint by joint. At rest it smooths like
dex-retargeting's low-pass of 0.2 at 72 Hz, whose delay is 4 frames at every speed; a joint that turns at 1 rad/s is
delayed by less than one frame.
"""

from __future__ import annotations

import numpy as np

from skin_teleop.transforms import Array

REST_CUTOFF_HZ = 2.86
"""alpha = 0.2 at 72 Hz: 72 * 0.2 / (0.8 * 2 pi)."""
CUTOFF_PER_SPEED_HZ = 12.0
"""Hz per rad/s; 1 rad/s opens to 14.9 Hz, alpha 0.57, a delay of (1 - alpha) / alpha = 0.77 frames."""
SPEED_CUTOFF_HZ = 5.0
LONGEST_GAP_S = 0.25
"""After a longer pause the next answer is taken as it is."""


class SpeedAdaptiveFilter:
    """Filters joints (16,) rad; a mix of two postures inside the limits is inside the limits."""

    def __init__(self) -> None:
        self._q_rad: Array | None = None
        self._speed: Array = np.zeros(16)
        self._t_s = 0.0

    def reset(self) -> None:
        """Forget; the next posture passes unchanged."""
        self._q_rad = None

    def apply(self, q_rad: Array, t_s: float) -> Array:
        """The smoothed joints at time `t_s`; a repeated or earlier time changes nothing."""
        if self._q_rad is None or t_s - self._t_s > LONGEST_GAP_S:
            self._q_rad, self._speed, self._t_s = q_rad, np.zeros(len(q_rad)), t_s
            return q_rad
        seconds = t_s - self._t_s
        if seconds <= 0:
            return self._q_rad
        speed = (q_rad - self._q_rad) / seconds
        self._speed = self._speed + _share(SPEED_CUTOFF_HZ, seconds) * (speed - self._speed)
        cutoff_hz = REST_CUTOFF_HZ + CUTOFF_PER_SPEED_HZ * np.abs(self._speed)
        self._q_rad = self._q_rad + _share(cutoff_hz, seconds) * (q_rad - self._q_rad)
        self._t_s = t_s
        return self._q_rad


def _share(cutoff_hz: Array | float, seconds: float) -> Array:
    """How much of the way to the new value is taken in this time."""
    share: Array = np.asarray(1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff_hz) * seconds)))
    return share
