"""How the skin looks in a picture: a dot for every taxel, which begins to glow with the force on it."""

from __future__ import annotations

import mujoco
import numpy as np

from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

DOT_RADIUS_M = 0.0013
GLOW_RADIUS_M = 0.0036
DOT = np.array([0.47, 0.43, 0.38])
GLOW = np.array([0.98, 0.45, 0.12])
GLOW_AT_N = 0.25
"""Force at which a taxel glows with two thirds of its full brightness."""


class SkinPaint:
    """Draws the taxels of a layout, in vendor geometry, on the pads of the hand."""

    def __init__(self, layout: SkinLayout, force_n: Array | None = None) -> None:
        """`force_n` (368,) is the magnitude of the force on each taxel; None draws plain dots."""
        self._layout = layout
        force = np.zeros(len(layout.pad_index)) if force_n is None else np.asarray(force_n, float)
        self._glow = 1 - np.exp(-force / GLOW_AT_N)  # (368,)

    def paint(self, model: mujoco.MjModel, data: mujoco.MjData, point_m: Array, geom: Array, colour: Array) -> Array:
        """Colours (n, 3) of surface points (n, 3, world frame) with the taxels drawn in."""
        painted = colour.copy()
        for pad in self._layout.pads:
            index = model.geom(pad.name).id
            seen = np.flatnonzero(geom == index)
            body = model.geom_bodyid[index]
            on_link = (point_m[seen] - data.xpos[body]) @ data.xmat[body].reshape(3, 3)
            taxels = self._layout.positions_m["vendor"][pad.taxels]
            apart = np.linalg.norm(on_link[:, None] - taxels, axis=-1)  # (seen, taxels)
            halo = (self._glow[pad.taxels] * np.exp(-0.5 * (apart / GLOW_RADIUS_M) ** 2)).sum(-1).clip(0, 1)[:, None]
            dot = (apart.min(-1, initial=np.inf) < DOT_RADIUS_M)[:, None]
            ground = np.where(dot, DOT, colour[seen])
            painted[seen] = (1 - halo) * ground + halo * GLOW
        return painted
