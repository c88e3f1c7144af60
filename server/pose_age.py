"""How old poses are when their target leaves: from the headset's frame to the command, over the last few seconds."""

from __future__ import annotations

import collections
import statistics

from skin_teleop.clock import NS_PER_MS

REMEMBERED = 300
"""Three to four seconds of poses."""


class PoseAges:
    """Written by the follower, read by the reporter; both on the same host clock."""

    def __init__(self) -> None:
        self._ages_ns: collections.deque[int] = collections.deque(maxlen=REMEMBERED)

    def note(self, age_ns: int) -> None:
        """A target was published this long after its pose was taken; the clocks agree to half a round trip."""
        self._ages_ns.append(age_ns)

    def median_and_p95_ms(self) -> tuple[float, float] | None:
        """Both in ms, or None before twenty poses."""
        ages = list(self._ages_ns)
        if len(ages) < 20:
            return None
        cuts = statistics.quantiles(ages, n=20)
        return cuts[9] / NS_PER_MS, cuts[18] / NS_PER_MS
