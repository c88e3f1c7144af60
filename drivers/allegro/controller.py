"""The control law of the hand: one joint-space PD per joint, with every limit applied last. Pure; time is injected.

torque = stiffness * (command - position) + damping * (command velocity - velocity). Both velocities pass the same
low-pass, so their delays cancel and tracking has no damping lag.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from drivers.allegro.interpolation import TargetInterpolator
from drivers.allegro.scales import HandScale
from skin_teleop.hand import HandModel
from skin_teleop.rig import HandConfig
from skin_teleop.transforms import Array

VELOCITY_TIME_CONSTANT_S = 0.006
"""About that of the vendor's filter (0.6, 0.198, 0.198 at 3 ms), without its total gain of 0.996, which pulls to 0."""


class Drive(enum.Enum):
    """What the motors do."""

    NONE = "no torque"
    DAMP = "damping only"
    HOLD = "stiff at the command as it is"
    FOLLOW = "stiff, the command moves to the targets"


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """Outcome of one control cycle; every array is (16,) and finite."""

    command_rad: Array
    velocity_rad_per_s: Array
    wire: Array
    """int16 in the hand's torque unit, inside its limits."""
    torque_nm: Array
    """The torque that `wire` stands for, Nm."""


class Controller:
    """PD control of sixteen joints, called once for every complete set of pose frames.

    The hand's own period is the time step: frames may reach a busy host in bursts, but they left the hand evenly.
    """

    def __init__(self, config: HandConfig, model: HandModel, scale: HandScale) -> None:
        self._scale = scale
        self._period_s = config.period_ms / 1000
        self._stiffness = np.array([*config.stiffness_nm_per_rad * 3, *config.thumb_stiffness_nm_per_rad])  # (16,)
        self._damping = np.array([*config.damping_nm_s_per_rad * 3, *config.thumb_damping_nm_s_per_rad])  # (16,)
        self._interpolator = TargetInterpolator(model, config.max_speed_rad_per_s * self._period_s)
        self._position_rad: Array | None = None
        self._velocity: Array = np.zeros(len(self._stiffness))
        self._command_velocity: Array = np.zeros(len(self._stiffness))
        self.torque_share = 1.0
        """Share of every torque limit that may be used, 0 to 1: a warm or a new hand gets less."""

    def forget_motion(self) -> None:
        """Begin the velocity estimate anew: the hand's clock stood still, so the last position tells no speed."""
        self._position_rad = None
        self._velocity = np.zeros_like(self._velocity)
        self._command_velocity = np.zeros_like(self._command_velocity)

    def aim(self, target_rad: Array, now_ns: int) -> None:
        """Take a new target (16,) rad; it is clamped to the joint limits, and ignored when it is not finite."""
        self._interpolator.aim(target_rad, now_ns)

    def step(
        self, position_rad: Array, now_ns: int, drive: Drive, periods: int = 1, carry_nm: Array | None = None
    ) -> Control:
        """One cycle at measured positions (16,) rad, `periods` hand periods after the last.

        `carry_nm` (16,) is added while the joints are stiff, inside the same limits; ignored when it is not finite.
        Positions that no encoder can report (not finite, out of range) give no torque and change no estimate.
        """
        if not (np.abs(position_rad) <= self._scale.range_rad).all():
            return self._control(np.zeros_like(self._stiffness))
        self._estimate_velocity(position_rad, periods)
        step_rad = self._move_command(position_rad, now_ns, drive)
        self._command_velocity = self._low_pass(self._command_velocity, step_rad / self._period_s, 1)
        if drive is Drive.NONE:
            return self._control(np.zeros_like(self._stiffness))
        torque_nm = -self._damping * self._velocity
        if drive is not Drive.DAMP:
            torque_nm += self._stiffness * (self._interpolator.command_rad - position_rad)
            torque_nm += self._damping * self._command_velocity
            if carry_nm is not None and np.isfinite(carry_nm).all():
                torque_nm += carry_nm
        return self._control(torque_nm)

    def _estimate_velocity(self, position_rad: Array, periods: int) -> None:
        if self._position_rad is not None:
            raw = (position_rad - self._position_rad) / (self._period_s * periods)
            self._velocity = self._low_pass(self._velocity, raw, periods)
        self._position_rad = position_rad

    def _low_pass(self, filtered: Array, raw: Array, periods: int) -> Array:
        share = 1 - math.exp(-self._period_s * periods / VELOCITY_TIME_CONSTANT_S)
        smoothed: Array = filtered + share * (raw - filtered)
        return smoothed

    def _move_command(self, position_rad: Array, now_ns: int, drive: Drive) -> Array:
        if drive is Drive.FOLLOW:
            return self._interpolator.advance(now_ns)
        if drive is Drive.HOLD:
            self._interpolator.hold()
        else:
            self._interpolator.follow(position_rad)
        return np.zeros_like(self._stiffness)

    def _control(self, torque_nm: Array) -> Control:
        limit_nm = min(max(self.torque_share, 0.0), 1.0) * self._scale.torque_limit_nm
        wire = self._scale.wire_from_torque(np.clip(torque_nm, -limit_nm, limit_nm))
        return Control(self._interpolator.command_rad, self._velocity, wire, self._scale.torque_from_wire(wire))
