"""How old poses are when their target leaves: from the headset's frame to the command, over the last few seconds."""

from __future__ import annotations

import numpy as np

from skin_teleop.clock import NS_PER_MS

REMEMBERED = 300
"""Three to four seconds of poses."""
ENOUGH = 20


class PoseAges:
    """Written by the follower, read by the reporter; of a fixed size, so that hours of driving leave it as it was."""

    def __init__(self) -> None:
        self._ages_ns = np.zeros(REMEMBERED, np.int64)
        self._noted = 0

    def note(self, age_ns: int) -> None:
        """A target was published this long after its pose was taken; the clocks agree to half a round trip."""
        self._ages_ns[self._noted % REMEMBERED] = age_ns
        self._noted += 1

    def median_and_p95_ms(self) -> tuple[float, float] | None:
        """Both in ms, or None before twenty poses."""
        if self._noted < ENOUGH:
            return None
        median, p95 = np.percentile(self._ages_ns[: self._noted], [50, 95]) / NS_PER_MS
        return float(median), float(p95)
