"""Which hand and which skin a recording was made with, and where that puts the taxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skin_teleop.errors import SessionError
from skin_teleop.hand import hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array


@dataclass(frozen=True, slots=True)
class Body:
    """The hand and skin of one rig, by the names of their tables and streams."""

    hand: str
    """Stream of the joints."""
    skin: str
    """Stream of the taxels."""
    model: str
    finger_joint1_z_m: float
    layout: str

    def taxel_positions_m(self, joint_rad: Array, geometry: str) -> Array:
        """Taxel positions (..., 368, 3) float32 in the palm frame, m, from joint angles (..., 16) rad."""
        posture = hand_posture(hand_model(self.model, self.finger_joint1_z_m), joint_rad)
        return skin_layout(self.layout).positions_in_palm_m(posture, geometry).astype(np.float32)


def body_of(meta: Mapping[str, Any]) -> Body:
    """The body that a session's description (session.json) names; raises SessionError where it names none."""
    try:
        hand, skin = meta["rig"]["hand"], meta["rig"]["skin"]
        return Body(hand["name"], skin["name"], hand["model"], hand["finger_joint1_z_m"], skin["layout"])
    except KeyError as error:
        raise SessionError(
            "the hand and skin of a session were asked for",
            found=f"session.json without {error.args[0]!r}",
            allowed="rig.hand with name, model and finger_joint1_z_m; rig.skin with name and layout",
            next_step="skin-teleop check SESSION",
        ) from error
