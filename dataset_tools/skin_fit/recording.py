"""What a fit reads of a session: raw counts over time, and whether the hand held still."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from dataset_tools.reader import Session
from drivers.simulated.skin.parameter_file import SourceSession
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.skin_layout import SkinLayout, skin_layout
from skin_teleop.transforms import Array

STILL_RAD = 0.05
"""A joint that travels further turns its pads by 3 degrees: the earth's field then changes by some 8 counts."""


@dataclass(frozen=True, eq=False)
class SkinRecording:
    """Counts of one session on the host's clock."""

    path: str
    source: SourceSession
    layout: SkinLayout
    t_s: Array
    """(T,) s since the first row."""
    t_mono_ns: Array
    """(T,) int64."""
    flux: Array
    """(T, 368, 3) uint16 raw counts."""
    joint_travel_rad: float | None
    """The furthest that a joint moved; None where no joints were recorded."""

    @property
    def seconds(self) -> float:
        """Length, s."""
        return float(self.t_s[-1])

    def require_still(self) -> None:
        """Raise SessionError when a joint moved."""
        if self.joint_travel_rad is not None and self.joint_travel_rad > STILL_RAD:
            raise SessionError(
                f"{self.path} is to be fitted with a hand that holds still",
                found=f"a joint that moved by {self.joint_travel_rad:.3f} rad",
                allowed=f"{STILL_RAD} rad, because the earth's field turns with the pads",
                next_step="record again with the hand lying on the table and every pressed link supported from behind",
            )


def skin_recording(session: Session) -> SkinRecording:
    """Read a session's skin; raises SessionError when it has none."""
    rig = session.meta["rig"]
    skin = session.streams.get(rig["skin"]["name"])
    if skin is None or skin.rows < 2:
        raise SessionError(
            f"the skin of {session.path} was asked for",
            found="no rows of " + rig["skin"]["name"],
            next_step=f"skin-teleop check {session.path}",
        )
    flux = skin["flux"]
    digest = session.digests.get(skin.name, {}).get("flux") or hashlib.sha256(flux.tobytes()).hexdigest()
    joints = session.streams.get(rig["hand"]["name"])
    travel = None if joints is None else float(np.ptp(joints["position"], axis=0).max())
    source = SourceSession(str(session.meta["id"]), f"sha256:{digest}", bool(session.meta["simulated"]))
    t_s = (skin.t_mono - skin.t_mono[0]) / NS_PER_S
    return SkinRecording(str(session.path), source, skin_layout(rig["skin"]["layout"]), t_s, skin.t_mono, flux, travel)
