"""Lead the joints from target to target: linear in time, soft after engaging, never faster than allowed."""

from __future__ import annotations

import numpy as np

from skin_teleop.clock import NS_PER_MS
from skin_teleop.hand import HandModel
from skin_teleop.transforms import Array

FIRST_INTERVAL_NS = 14 * NS_PER_MS
"""Time between targets until it has been measured: a headset at 72 Hz."""
MIN_INTERVAL_NS, MAX_INTERVAL_NS = 5 * NS_PER_MS, 40 * NS_PER_MS
INTERVAL_SMOOTHING = 0.2
ENGAGE_RAMP_NS = 500 * NS_PER_MS
"""The speed limit rises from ENGAGE_SPEED_SHARE to 1 over this time, so that engaging starts gently."""
ENGAGE_SPEED_SHARE = 0.1


class TargetInterpolator:
    """Joint command in rad between targets that come at 72 to 90 Hz, for a loop at 333 Hz.

    Invariants for any input: the command is finite and inside the joint limits, and `advance` moves it by at most
    `max_step_rad`.
    """

    def __init__(self, model: HandModel, max_step_rad: float) -> None:
        self._model = model
        self._max_step_rad = max_step_rad
        self.command_rad: Array = model.clamp(np.zeros(len(model.lower_rad)))
        """(16,) joint command, rad."""
        self._start_rad = self._goal_rad = self.command_rad
        self._interval_ns: float = FIRST_INTERVAL_NS
        self._goal_set_ns: int | None = None
        self._begun_ns = self._advanced_ns = 0
        self._engaged_ns: int | None = None

    def follow(self, position_rad: Array) -> None:
        """Let the command be where the hand is (16,) rad; the next target ramps from there."""
        self.command_rad = self._model.clamp(position_rad)
        self.hold()

    def hold(self) -> None:
        """Stay at the command as it is; the next target starts with the engage ramp."""
        self._goal_rad = self.command_rad
        self._goal_set_ns = self._engaged_ns = None

    def aim(self, target_rad: Array, now_ns: int) -> None:
        """Head for a target (16,) rad, to arrive when the next one is due; one that is not finite is ignored."""
        if not np.isfinite(target_rad).all():
            return
        if self._goal_set_ns is not None:
            measured_ns = min(max(now_ns - self._goal_set_ns, MIN_INTERVAL_NS), MAX_INTERVAL_NS)
            self._interval_ns += INTERVAL_SMOOTHING * (measured_ns - self._interval_ns)
        if self._engaged_ns is None:
            self._engaged_ns = self._advanced_ns = now_ns
        self._begun_ns = self._advanced_ns  # where the command is, it was at the last cycle
        self._start_rad, self._goal_rad = self.command_rad, self._model.clamp(target_rad)
        self._goal_set_ns = now_ns

    def advance(self, now_ns: int) -> Array:
        """Move the command by one control cycle; returns the step (16,) rad."""
        if self._goal_set_ns is None or self._engaged_ns is None:
            return np.zeros_like(self.command_rad)
        self._advanced_ns = now_ns
        share = min(max((now_ns - self._begun_ns) / self._interval_ns, 0.0), 1.0)
        wanted_rad = self._start_rad + share * (self._goal_rad - self._start_rad)
        softness = min(max((now_ns - self._engaged_ns) / ENGAGE_RAMP_NS, ENGAGE_SPEED_SHARE), 1.0)
        limit_rad = self._max_step_rad * softness
        before_rad = self.command_rad
        self.command_rad = self._model.clamp(before_rad + np.clip(wanted_rad - before_rad, -limit_rad, limit_rad))
        return self.command_rad - before_rad
