"""Optional torque that carries the weight of the fingers, so that a soft hand does not sag. Off unless asked for.

Gravity in the palm frame is the rig file's, or follows the wrist's target where an arm or the simulation takes the
palm there. The torque is added before every limit of the controller, and only while the joints are held stiff.
"""

from __future__ import annotations

import numpy as np

from skin_teleop.hand import hand_model
from skin_teleop.hand_mass import STANDARD_GRAVITY_M_S2, gravity_torque_nm, link_masses
from skin_teleop.rig import Rig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array, rotation_from_quaternion

DOWN_M_S2 = np.array([0.0, 0.0, -STANDARD_GRAVITY_M_S2])
"""World frame, Z up."""
UNIT_TOLERANCE = 0.01


class GravityCompensation:
    """Carries the fingers of one hand with its skin."""

    def __init__(self, rig: Rig) -> None:
        self._mode = rig.hand.gravity_compensation
        self._model = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
        self._masses = link_masses(self._model, skin_layout(rig.skin.layout))
        self._gravity_palm_m_s2: Array | None = None
        if self._mode == "fixed":
            self._gravity_palm_m_s2 = np.array(rig.hand.gravity_palm_m_s2)

    @property
    def follows_wrist(self) -> bool:
        """Whether it needs the wrist's targets."""
        return self._mode == "wrist"

    def turn(self, wrist_pose: Array) -> None:
        """Take a wrist target (7,), m and quaternion xyzw of palm_link in the world; one that is no pose is ignored."""
        quaternion = np.asarray(wrist_pose, float)[3:]
        if self.follows_wrist and abs(np.linalg.norm(quaternion) - 1) < UNIT_TOLERANCE:
            self._gravity_palm_m_s2 = rotation_from_quaternion(quaternion).T @ DOWN_M_S2

    def torque_nm(self, position_rad: Array) -> Array | None:
        """(16,) Nm at joint positions (16,) rad; None while it is off or the palm's direction is not known yet."""
        if self._gravity_palm_m_s2 is None:
            return None
        return gravity_torque_nm(self._model, self._masses, position_rad, self._gravity_palm_m_s2)
