"""From forces on taxels to the raw counts of the magnetic skin.

A compact stand-in for the elastomer and its magnets: each taxel answers to the force on it, to a share of its
neighbours', slightly late, with its own rest value and gain. Any model that turns forces into counts by `step` can
take its place. Every constant says whether it is cited (a data sheet or a recording), fitted or a guess.
"""

from __future__ import annotations

import numpy as np

from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

REST_MEAN = np.array([32750.0, 32750.0, 36500.0])
REST_SPREAD = np.array([280.0, 280.0, 790.0])
"""Cited: rest counts over the taxels of a real right-hand frame (invokelshn/xela_apps): x 32725 +- 275,
y 32787 +- 297, z 36535 +- 793."""
COUNTS_PER_N = np.array([1600.0, 1600.0, 1370.0])
"""Cited: XELA uSPa46 data sheet, high sensitivity: 1388 counts at 0.87 N shear, 10085 counts at 7.35 N normal.
No figures are public for the curved tips; they are taken to be the same (guess)."""
GAIN_SPREAD = 0.08
"""Guess: relative spread of the gain over taxels."""
NOISE_COUNTS = 2.0
"""Cited: white noise of a uSPa44 at rest, 1.7 to 2.6 counts (matteogrisenti/Xela_uSP44)."""
CROSSTALK = 0.12
"""Guess: share of a force that shows up in the nearest neighbours through the elastomer."""
CROSSTALK_LENGTH_M = 0.0035
"""Guess: distance over which that share falls to 1/e."""
CREEP, CREEP_S = 0.10, 0.4
"""Guess: part of the answer that comes late, and its time constant. The data sheet's hysteresis of 1.1 % asks for a
small part."""
ANSWER_S = 0.008
"""Guess: time constant of the prompt part of the answer."""
MAX_COUNTS = 65535


class FluxModel:
    """Counts of all taxels, canonical order; the same seed gives the same skin and the same noise."""

    def __init__(self, layout: SkinLayout, seed: int) -> None:
        self._noise = np.random.default_rng([seed, 1])
        skin = np.random.default_rng([seed, 0])
        self.rest = REST_MEAN + REST_SPREAD * skin.standard_normal((N_TAXELS, 3))
        """(368, 3) counts without touch and without noise."""
        self.gain = COUNTS_PER_N * (1 + GAIN_SPREAD * skin.standard_normal((N_TAXELS, 1)))
        """(368, 3) counts/N."""
        self._mix = _crosstalk(layout)
        self._to_taxel = taxel_frames(layout)
        self._prompt, self._late = np.zeros((N_TAXELS, 3)), np.zeros((N_TAXELS, 3))

    def step(self, taxel_force_n: Array, dt_s: float) -> Array:
        """Counts (368, 3) uint16 after `dt_s` under forces (368, 3) on the skin, pad frame, N.

        Each axis has the taxel's own frame, and z counts rise when the taxel is pressed.
        """
        force = (self._to_taxel @ (self._mix @ taxel_force_n)[:, :, None])[..., 0]
        self._prompt += (force - self._prompt) * (1 - np.exp(-dt_s / ANSWER_S))
        self._late += (force - self._late) * (1 - np.exp(-dt_s / CREEP_S))
        felt = (1 - CREEP) * self._prompt + CREEP * self._late
        felt[:, 2] *= -1
        counts = self.rest + self.gain * felt + NOISE_COUNTS * self._noise.standard_normal((N_TAXELS, 3))
        return np.clip(np.rint(counts), 0, MAX_COUNTS).astype(np.uint16)


def taxel_frames(layout: SkinLayout) -> Array:
    """Rotations (368, 3, 3) from the pad frame to each taxel's own frame, z along its outward normal.

    On a flat pad both are the same; on a curved tip the smallest turn carries the pad's normal onto the taxel's.
    """
    frames = np.empty((N_TAXELS, 3, 3))
    for pad in layout.pads:
        for k in range(pad.first, pad.first + pad.count):
            frames[k] = _smallest_turn(layout.normals[k] @ pad.rotation).T
    return frames


def _smallest_turn(normal: Array) -> Array:
    """Rotation (3, 3) that carries z onto a unit vector (3,); the vector must not be -z."""
    axis = np.array([-normal[1], normal[0], 0.0])  # z cross normal
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn: Array = np.eye(3) + cross + cross @ cross / (1 + normal[2])
    return turn


def _crosstalk(layout: SkinLayout) -> Array:
    """Mixing matrix (368, 368): each taxel keeps 1 - CROSSTALK of its force, its pad's others share the rest."""
    mix = np.zeros((N_TAXELS, N_TAXELS))
    for pad in layout.pads:
        taxels = layout.positions_m["vendor"][pad.taxels]
        near = np.exp(-np.linalg.norm(taxels[:, None] - taxels, axis=-1) / CROSSTALK_LENGTH_M)
        np.fill_diagonal(near, 0)
        mix[pad.taxels, pad.taxels] = CROSSTALK * near / near.sum(0) + (1 - CROSSTALK) * np.eye(pad.count)
    return mix
