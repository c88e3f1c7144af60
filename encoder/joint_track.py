"""The last seconds of joints beside the live skin."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from skin_teleop.messages import JointState

JOINTS_KEPT = 1000
"""3 s of joints at 333 Hz; a frame that waited longer takes the oldest that is kept."""


class JointTrack:
    """Gives every frame the joints of its own time, as in training, however late the frame is looked at."""

    def __init__(self) -> None:
        self._states: deque[JointState] = deque(maxlen=JOINTS_KEPT)

    def __bool__(self) -> bool:
        return bool(self._states)

    def add(self, states: Iterable[JointState]) -> None:
        """Take states in their order."""
        self._states.extend(states)

    def at(self, t_mono_ns: int) -> JointState:
        """The newest state at or before a time; the oldest where none is. There must be one at all."""
        return next((state for state in reversed(self._states) if state.t_mono <= t_mono_ns), self._states[0])
