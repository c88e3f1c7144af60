"""The first motion of a new set-up: little torque at first, so that a wrong sign or a wrong model does no harm."""

from __future__ import annotations

FIRST_SHARE = 0.2
RAMP_S = 60.0
"""Seconds of following after which the whole torque is allowed; the project's own choice."""


class FirstMotion:
    """Share of the torque limits that may be used: from a fifth, rising with the time that the hand has followed."""

    def __init__(self, asked: bool) -> None:
        self._left_s = RAMP_S if asked else 0.0

    @property
    def torque_share(self) -> float:
        """0.2 to 1; 1 when no first motion was asked for."""
        return 1.0 - (1.0 - FIRST_SHARE) * self._left_s / RAMP_S

    def follow(self, seconds: float) -> None:
        """The hand has followed targets for so long, s; any other state does not count."""
        self._left_s = max(0.0, self._left_s - seconds)
