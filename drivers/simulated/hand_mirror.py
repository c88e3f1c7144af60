"""The simulated hand follows a real one: what a simulated skin needs on a rig whose hand is hardware.

A spring and a damper on every joint, with the gains of the rig's own controller, pull the simulated joints to the
positions that the hand node reports. What it does not do: the real hand does not feel what the simulated one touches.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skin_teleop.bus import Latest
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import JointState
from skin_teleop.rig import HandConfig
from skin_teleop.transforms import Array


class HandMirror:
    """Takes the place of the simulated hand's CAN device: the same `exchange`, fed by the hand node's joint states."""

    def __init__(self, config: HandConfig, runtime: Path) -> None:
        self._states = Latest(runtime, "hand", JointState, config.name)
        self._stiffness = np.array([*config.stiffness_nm_per_rad * 3, *config.thumb_stiffness_nm_per_rad])
        self._damping = np.array([*config.damping_nm_s_per_rad * 3, *config.thumb_damping_nm_s_per_rad])
        self._wanted_rad: Array | None = None
        self._before_rad: Array | None = None
        self._before_ns = 0

    def exchange(self, position_rad: Array, time_ns: int) -> Array:
        """Torques (16,) Nm that bring simulated joints (16,) rad to the real hand's; none before it has spoken."""
        state = self._states.take()
        if state is not None:
            self._wanted_rad = state.position
        if self._before_rad is None or time_ns <= self._before_ns:
            velocity = np.zeros_like(position_rad)
        else:
            velocity = (position_rad - self._before_rad) * NS_PER_S / (time_ns - self._before_ns)
        self._before_rad, self._before_ns = position_rad.copy(), time_ns
        if self._wanted_rad is None:
            return -self._damping * velocity
        torque: Array = self._stiffness * (self._wanted_rad - position_rad) - self._damping * velocity
        return torque

    def close(self) -> None:
        """Release the socket."""
        self._states.close()
