"""The driven wrist: a mocap body that goes to where the palm should be and pulls the palm by a compliant weld."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from drivers.simulated.hand_model import PALM, WRIST
from drivers.simulated.scene import pose_from_qpos, qpos_from_pose
from skin_teleop.transforms import Array

MAX_WRIST_SPEED_M_PER_S, MAX_WRIST_SPEED_RAD_PER_S = 0.6, 3.0
"""Design choice: a brisk human reach; a target that jumps is approached at this speed."""
MAX_WRIST_LEAD_M = 0.03
"""How far the wrist's target may run ahead of the palm: it bounds the push of the compliant weld near 36 N."""


class WristDrive:
    """Moves the wrist of one simulation; its arrays are views of the engine's."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        mocap = model.body(WRIST).mocapid[0]
        self._position_m, self._quaternion = data.mocap_pos[mocap], data.mocap_quat[mocap]
        palm: Array = data.joint(PALM).qpos
        self._palm_m = palm[:3]
        self._turn = np.zeros(3)
        self.aim(pose_from_qpos(palm))

    def aim(self, pose: Array) -> bool:
        """Where the palm should go (7,), world frame; False for a pose that is not one, which changes nothing."""
        usable = bool(np.isfinite(pose).all() and np.linalg.norm(pose[3:]) > 0.5)
        if usable:
            at_m, quaternion = np.split(qpos_from_pose(np.asarray(pose, float)), [3])
            self._target_m, self._target_quaternion = at_m.tolist(), quaternion / np.linalg.norm(quaternion)
        return usable

    def advance(self, dt_s: float) -> None:
        """Bring the mocap body towards the target, not faster than its limits and never far ahead of the palm."""
        wanted_m = _towards(self._position_m.tolist(), self._target_m, MAX_WRIST_SPEED_M_PER_S * dt_s)
        self._position_m[:] = _towards(self._palm_m.tolist(), wanted_m, MAX_WRIST_LEAD_M)
        mujoco.mju_subQuat(self._turn, self._target_quaternion, self._quaternion)
        too_fast = math.sqrt(self._turn.dot(self._turn)) / (MAX_WRIST_SPEED_RAD_PER_S * dt_s)
        mujoco.mju_quatIntegrate(self._quaternion, self._turn, 1 / max(1.0, too_fast))


def _towards(start: list[float], goal: list[float], reach: float) -> list[float]:
    """The goal, or the point on the way to it that is `reach` from the start; plain floats are fastest here."""
    apart = math.dist(start, goal)
    if apart <= reach:
        return goal
    share = reach / apart
    return [here + share * (there - here) for here, there in zip(start, goal)]
