"""The second hand of a simulated rig and its skin: on the wire like the first, but without a world around them.

The joints follow their torques as `LightHand`'s do: no mass, no gravity, no contact. The skin is a second specimen of
the simulated one, at rest: it has its own offsets, noise and scans, and nothing ever touches or turns it. So a rig of
two hands can be driven, recorded and stopped without hardware, and nothing is learnt from the second about touch.
"""

from __future__ import annotations

import time

import numpy as np

from drivers.simulated.light_hand import LightHand
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.pad_poses import pad_poses
from drivers.simulated.skin_devices import skin_devices
from drivers.simulated.skin_scan import SkinScan
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.hand import hand_model
from skin_teleop.messages import N_PADS, N_TAXELS
from skin_teleop.rig import Rig, WorldConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array, pose_from, rotation_from_rpy

SKIN_PERIOD_NS = 10 * NS_PER_MS
NO_FORCE_N, NO_SLIP_M_PER_S = np.zeros((N_TAXELS, 3)), np.zeros(N_PADS)


class SecondHand:
    """What a rig simulates of its second hand; the world turns it in its own loop."""

    def __init__(self, rig: Rig) -> None:
        """Open its wires; raises DeviceError when the CAN channel or the skin's port is taken."""
        self._skin = _RestingSkin(rig) if rig.simulates("second_skin") else None
        self._hand = LightHand(rig.hands["second_hand"]) if rig.simulates("second_hand") else None

    def turn(self) -> None:
        """One control period of the hand; call it at the hand's period."""
        if self._hand is not None:
            self._hand.turn()

    def serve_skin(self) -> None:
        """One skin period; call it at 100 Hz."""
        if self._skin is not None:
            self._skin.serve()

    def close(self) -> None:
        """Leave every wire."""
        if self._hand is not None:
            self._hand.device.close()
        if self._skin is not None:
            self._skin.close()


class _RestingSkin:
    def __init__(self, rig: Rig) -> None:
        config, hand = rig.skins["second_skin"], rig.hands["second_hand"]
        layout, seed = skin_layout(config.layout), (rig.world or WorldConfig()).seed + 1
        turn = rotation_from_rpy(np.deg2rad(rig.server.second_wrist_home_rpy_deg))
        home = pose_from(np.array(rig.server.second_wrist_home_m), turn)
        model = hand_model(hand.model, hand.finger_joint1_z_m)
        self._pads = pad_poses(layout, model, (model.lower_rad + model.upper_rad) / 2, home)
        self._skin = MagneticSkin(layout, seed)
        self._scan = SkinScan(self._counts(), layout, self._skin.parameters, seed)
        self._device = skin_devices(config)
        self._time_ns = 0
        self.close = self._device.close

    def serve(self) -> None:
        """Send what the skin would send after another period at rest."""
        self._time_ns += SKIN_PERIOD_NS
        self._scan.update(self._counts(), self._time_ns)
        self._device.publish(self._scan.counts, self._scan.updates_per_s, time.time_ns())

    def _counts(self) -> Array:
        return self._skin.step(NO_FORCE_N, NO_SLIP_M_PER_S, self._pads, SKIN_PERIOD_NS / NS_PER_S)
