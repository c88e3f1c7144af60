"""A bench for the simulated skin: a still hand and a soft flat stamp on every pad, pressed with known force.

It needs no physics engine. All pads are pressed at once, which no laboratory can do but which costs nothing here: in
the model a pad does not feel a touch on another. The forces are shared among a pad's taxels by its own footprint, so a
fit that assumes an even share is off by as much as the taxels' heights differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.pad_poses import pad_poses
from drivers.simulated.skin_scan import SkinScan
from skin_teleop.clock import NS_PER_S
from skin_teleop.hand import HandModel
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

FRAME_S = 0.01
RAMP_S = 0.1
"""How long the stamp takes to come to its full force and to lift."""
STILL_RAD = np.zeros(16)
STILL_POSE = np.array([0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0])
"""The palm, world frame, m and quaternion xyzw."""


@dataclass(frozen=True, slots=True)
class Press:
    """A force that every pad's stamp holds for a while, per taxel of the pad, pad frame, N."""

    start_s: float
    hold_s: float
    per_taxel_n: tuple[float, float, float]

    def share(self, t_s: float) -> float:
        """How much of the force acts at a time: a ramp up, a hold, a ramp down."""
        up, down = (t_s - self.start_s) / RAMP_S, (self.start_s + self.hold_s - t_s) / RAMP_S
        return float(np.clip(min(up, down), 0.0, 1.0))


PROTOCOL = (
    Press(3.0, 3.0, (0.0, 0.0, -0.3)),
    Press(8.0, 3.0, (0.0, 0.0, -0.6)),
    Press(13.0, 5.0, (0.25, 0.0, -0.5)),
    Press(20.0, 5.0, (0.0, 0.25, -0.5)),
    Press(27.0, 30.0, (0.0, 0.0, -1.0)),
)
"""Two levels, two drags along the pad, one long hold: what tells gain, shear gain, hysteresis and creep apart."""
PROTOCOL_S = 92.0
"""Thirty-five seconds of rest after the long hold, in which the creep comes back."""


@dataclass(frozen=True, eq=False)
class BenchFrame:
    """One skin period."""

    t_s: float
    counts: Array
    """(368, 3) uint16 as the server holds them."""
    taxel_force_n: Array
    """(368, 3) pad frame."""
    pad_wrench: Array
    """(18, 6) N, and Nm about the pad origin."""


def bench_frames(
    skin: MagneticSkin,
    layout: SkinLayout,
    hand: HandModel,
    seconds: float,
    presses: tuple[Press, ...] = (),
    scan_seed: int = 0,
) -> Iterator[BenchFrame]:
    """Frames at 100 Hz; without presses, the hand at rest."""
    pads = pad_poses(layout, hand, STILL_RAD, STILL_POSE)
    shares = _stamp_shares(skin, layout)
    scan: SkinScan | None = None
    no_slip = np.zeros(len(layout.pads))
    for k in range(round(seconds / FRAME_S)):
        t_s = k * FRAME_S
        per_taxel = sum((press.share(t_s) * np.array(press.per_taxel_n) for press in presses), np.zeros(3))
        force_n = shares[:, None] * per_taxel
        counts = skin.step(force_n, no_slip, pads, FRAME_S)
        scan = scan or SkinScan(counts, layout, skin.parameters, scan_seed)
        scan.update(counts, round(t_s * NS_PER_S))
        yield BenchFrame(t_s, scan.counts.copy(), force_n, _wrench(skin, force_n))


def _stamp_shares(skin: MagneticSkin, layout: SkinLayout) -> Array:
    """(368,) times the even share: a soft flat stamp touches all taxels, the higher ones a little more."""
    pads = np.arange(len(layout.pads))
    touching_m = np.where(skin.grid.is_taxel, 0.0, np.inf)
    shares = skin.footprint.shares(pads, touching_m, np.zeros((len(pads), 3)))
    counts = np.array([pad.count for pad in layout.pads])
    relative: Array = skin.grid.collect((shares * counts[:, None])[..., None])[:, 0]
    return relative


def _wrench(skin: MagneticSkin, force_n: Array) -> Array:
    if not force_n.any():
        return np.zeros((skin.grid.shape[0], 6))
    on_grid = skin.grid.spread(force_n)
    torque_nm = np.cross(skin.grid.position_m, on_grid).sum(1)
    return np.concatenate([on_grid.sum(1), torque_nm], -1)
