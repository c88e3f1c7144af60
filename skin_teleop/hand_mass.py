"""Where the mass of the hand's links is, with the skin on them, and the torque that carries it.

One table for the simulated hand, which is built of these masses, and for the hand node, which may compensate them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from skin_teleop.hand import TIP_RADIUS_M, HandModel
from skin_teleop.kinematics import cross, hand_posture
from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.transforms import Array

STANDARD_GRAVITY_M_S2 = 9.80665
PAD_MASS_KG = {"4x4": 0.0036, "4x6": 0.0108, "curved": 0.0266}
"""Cited: numbers of mpan31415/official_xela_models."""
TIP_SHELL_RADIUS_M, TIP_SHELL_AXIS_X_M, TIP_SHELL_DOME_M = 0.0136, -0.0010, 0.0128
"""Fitted: capsule through the 30 taxels of a curved tip (rms 0.55 mm); its dome begins 12.8 mm below the last taxel.

The bare tip, a sphere of 12 mm radius, lies inside this shell.
"""


@dataclass(frozen=True, eq=False)
class LinkMasses:
    """What each link weighs, with the pads on it."""

    mass_kg: Array
    """(16,)"""
    centre_m: Array
    """(16, 3) centre of mass in the link frame, m."""


def link_box_m(hand: HandModel, link: int) -> tuple[Array, Array]:
    """Full size (3,) and centre (3,) of a link's box, m; a tip's round shell takes the place of its upper part."""
    size_m, centre_m = hand.link_box_size_m[link].copy(), hand.link_box_centre_m[link].copy()
    if link % 4 == 3:
        size_m[2] = hand.tip_xyz_m[link // 4, 2] - TIP_RADIUS_M
        centre_m[2] = size_m[2] / 2
    return size_m, centre_m


def flat_pad_thickness_m(pad: Pad, box_size_m: Array, box_centre_m: Array) -> float:
    """How thick a flat pad is: from the face of its link's box up to its taxels."""
    return float(pad.position_m[0] - box_centre_m[0] - box_size_m[0] / 2)


def tip_shell_m(taxels_m: Array) -> tuple[float, Array]:
    """Half length and centre (3,) of a curved tip's capsule through its taxels (30, 3), link frame, m."""
    low, high = taxels_m[:, 2].min(), taxels_m[:, 2].max() - TIP_SHELL_DOME_M
    return (high - low) / 2, np.array([TIP_SHELL_AXIS_X_M, 0, (high + low) / 2])


@functools.lru_cache(maxsize=8)
def link_masses(hand: HandModel, layout: SkinLayout) -> LinkMasses:
    """Masses of the sixteen links of a hand that wears a skin; the palm's is not among them."""
    mass_kg, moment = hand.link_mass_kg.copy(), np.zeros((16, 3))
    for link in range(16):
        moment[link] = mass_kg[link] * link_box_m(hand, link)[1]
    for pad in layout.pads:
        if pad.link.startswith("link_"):
            link = int(pad.link.removeprefix("link_"))
            mass_kg[link] += PAD_MASS_KG[pad.kind]
            moment[link] += PAD_MASS_KG[pad.kind] * _pad_centre_m(hand, layout, pad, link)
    return LinkMasses(mass_kg, moment / mass_kg[:, None])


def _pad_centre_m(hand: HandModel, layout: SkinLayout, pad: Pad, link: int) -> Array:
    if pad.kind == "curved":
        return tip_shell_m(layout.positions_m["vendor"][pad.taxels])[1]
    half_m = flat_pad_thickness_m(pad, *link_box_m(hand, link)) / 2
    centre_m: Array = pad.position_m - pad.rotation[:, 2] * half_m
    return centre_m


def gravity_torque_nm(hand: HandModel, masses: LinkMasses, q_rad: Array, gravity_palm_m_s2: Array) -> Array:
    """(16,) torques that hold the fingers still at joint positions (16,) rad against gravity (3,), palm frame, m/s2.

    Each joint carries the links beyond it: minus the sum of axis . (arm x m g), the static part of the equations of
    motion (Featherstone, Rigid Body Dynamics Algorithms, 2008, section 5.3).
    """
    posture = hand_posture(hand, q_rad)
    centre_m = posture.link_position_m + (posture.link_rotation @ masses.centre_m[..., None])[..., 0]
    weights = masses.mass_kg.reshape(4, 4)
    beyond_kg = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1].reshape(16, 1)
    moments = weights[..., None] * centre_m.reshape(4, 4, 3)
    beyond_moment = np.cumsum(moments[:, ::-1], axis=1)[:, ::-1].reshape(16, 3)
    pull = cross(beyond_moment - beyond_kg * posture.link_position_m, gravity_palm_m_s2)  # (16, 3), about each joint
    carrying_nm: Array = -(posture.joint_axis * pull).sum(-1)
    return carrying_nm
