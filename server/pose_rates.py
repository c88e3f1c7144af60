"""How many poses a second arrive, and how many of them are new: a browser may send the same pose again."""

from __future__ import annotations

import collections

import numpy as np

from skin_teleop.clock import NS_PER_S, mono_ns
from skin_teleop.messages import Array

REMEMBERED = 1000


class PoseRates:
    """Counts accepted poses within the last second."""

    def __init__(self) -> None:
        self._received: collections.deque[int] = collections.deque(maxlen=REMEMBERED)
        self._distinct: collections.deque[int] = collections.deque(maxlen=REMEMBERED)
        self._last: Array = np.zeros(0)

    def note(self, driven: Array, t_mono_ns: int) -> None:
        """A pose (25, 7) of the driven hand was received."""
        self._received.append(t_mono_ns)
        if not np.array_equal(driven, self._last):
            self._last = driven
            self._distinct.append(t_mono_ns)

    @property
    def per_s(self) -> float:
        """All of them."""
        return _within_last_second(self._received)

    @property
    def distinct_per_s(self) -> float:
        """Those that differ from the one before."""
        return _within_last_second(self._distinct)


def _within_last_second(times_ns: collections.deque[int]) -> float:
    since = mono_ns() - NS_PER_S
    return float(sum(1 for t in times_ns if t > since))
