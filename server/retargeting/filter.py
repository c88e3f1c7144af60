"""A low-pass filter that opens with the speed of the operator's fingertips: calm at rest, quick in motion.

The idea of the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) with one change: the speed that opens it is not
that of the filtered joints but that of the fingertip which they follow. A solver without memory turns a trembling hand
into joints that tremble more, above all where a fingertip leaves them free, so their own speed would open the filter
for noise; a fingertip of a resting hand hardly moves.
"""

from __future__ import annotations

import numpy as np

from skin_teleop.transforms import Array

REST_CUTOFF_HZ = 1.5
CUTOFF_PER_SPEED_HZ = 400.0
"""Hz per m/s: a fingertip at 0.1 m/s opens to 37 Hz, at 72 Hz a delay of 0.3 frames."""
STILL_M_PER_S = 0.01
"""A fingertip slower than this is at rest (0.14 mm a frame at 72 Hz)."""
SPEED_CUTOFF_HZ = 5.0
LONGEST_GAP_S = 0.25
"""After a longer pause the next answer is taken as it is."""


class SpeedAdaptiveFilter:
    """Filters joints (16,) rad; a mix of two postures inside the limits is inside the limits."""

    def __init__(self) -> None:
        self._q_rad: Array | None = None
        self._tips_m: Array = np.zeros((4, 3))
        self._velocity_m_per_s: Array = np.zeros((4, 3))
        self._t_s = 0.0

    def reset(self) -> None:
        """Forget; the next posture passes unchanged."""
        self._q_rad = None

    def apply(self, q_rad: Array, tips_m: Array, t_s: float) -> Array:
        """The smoothed joints at time `t_s` for human fingertips (4, 3) m in the wrist frame, fingers as in `FINGERS`.

        A repeated or earlier time changes nothing.
        """
        if self._q_rad is None or t_s - self._t_s > LONGEST_GAP_S:
            self._q_rad, self._velocity_m_per_s = q_rad, np.zeros((4, 3))
        elif t_s <= self._t_s:
            return self._q_rad
        else:
            seconds = t_s - self._t_s
            velocity = (tips_m - self._tips_m) / seconds
            self._velocity_m_per_s = self._velocity_m_per_s + _share(SPEED_CUTOFF_HZ, seconds) * (
                velocity - self._velocity_m_per_s
            )
            speed = np.linalg.norm(self._velocity_m_per_s, axis=-1)
            cutoff_hz = REST_CUTOFF_HZ + CUTOFF_PER_SPEED_HZ * np.maximum(speed - STILL_M_PER_S, 0)
            self._q_rad = self._q_rad + np.repeat(_share(cutoff_hz, seconds), 4) * (q_rad - self._q_rad)
        self._tips_m, self._t_s = np.array(tips_m, float), t_s
        return self._q_rad


def _share(cutoff_hz: Array | float, seconds: float) -> Array:
    """How much of the way to the new value is taken in this time."""
    share: Array = np.asarray(1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff_hz) * seconds)))
    return share
