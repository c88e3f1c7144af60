"""What presses on the skin: the solver's contact forces on every pad, spread over its taxels.

Everything is given in the pad frame, whose z is the outward normal, as the force that the world exerts ON the skin:
a finger that is pressed therefore reads a negative z, and shear keeps the direction in which the skin is dragged.
A pad's taxel forces add up to the pad's force exactly. Forces are averaged over the readings of one skin period.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import mujoco
import numpy as np

from skin_teleop.messages import N_PADS, N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

SPREAD_PITCHES = 0.6
"""Width (sigma) of the Gaussian over which a contact point spreads, in taxel pitches. Guess, as in simulators that
splat contact points; it is exact in the sum, coarse for a flat face that rests on its corners."""


@dataclass(frozen=True)
class SkinTruth:
    """Mean forces of one skin period, pad frame, on the skin."""

    taxel_force_n: Array
    """(368, 3) N."""
    pad_wrench: Array
    """(18, 6) N, and Nm about the pad origin."""
    slip_m_per_s: Array
    """(18,) tangential speed at the contacts, weighted by their normal force; 0 without contact."""


class SkinContact:
    """Notes contacts after physics steps (`read`) and gives their mean (`take`) once per skin period.

    Reading only copies what the solver found, so it is cheap; the sums are made for all readings at once.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, layout: SkinLayout) -> None:
        self._model, self._data = model, data
        self._pad_of_geom = np.full(model.ngeom, -1)
        for pad in layout.pads:
            self._pad_of_geom[model.geom(pad.name).id] = pad.index
        self._body = np.array([model.body(pad.link).id for pad in layout.pads])
        self._pad_to_link = np.array([pad.rotation for pad in layout.pads])
        self._pad_origin_m = np.array([pad.position_m for pad in layout.pads])
        self._taxel, self._taxel_m, self._sigma_m = _taxels_of_pads(layout)
        self._notes: list[_Touches] = []
        self._readings = 0

    def read(self) -> None:
        """Note the contacts of the last physics step."""
        self._readings += 1
        if not self._data.ncon:
            return
        pads = self._pad_of_geom[self._data.contact.geom]  # (contacts, 2)
        index, side = np.nonzero(pads >= 0)
        if len(index):
            self._notes.append(self._touches(index, side, pads[index, side]))

    def _touches(self, index: Array, side: Array, pad: Array) -> _Touches:
        """Contacts `index` (n,) as seen by the pad on their `side`.

        With elliptic cones, `efc_force` holds the normal force, tangential forces and torques of a contact in its
        frame; it acts on the second geom.
        """
        data, contact = self._data, self._data.contact
        address = contact.efc_address[index]
        rows = np.minimum(address[:, None] + _ROWS, data.nefc - 1)
        solved = (contact.dim[index, None] > _ROWS) & (address[:, None] >= 0)
        other = self._model.geom_bodyid[contact.geom[index, 1 - side]]
        both = np.stack([self._body[pad], other], -1)
        return _Touches(
            pad=pad,
            force=data.efc_force[rows] * solved * np.where(side == 1, 1.0, -1.0)[:, None],
            frame=contact.frame[index],
            point_m=contact.pos[index],
            link_m=data.xpos[both[:, 0]],
            link_to_world=data.xmat[both[:, 0]],
            velocity=data.cvel[both],
            velocity_about_m=data.subtree_com[self._model.body_rootid[both]],
        )

    def take(self) -> SkinTruth:
        """The mean since the last call; all zero when nothing was touched."""
        force, wrench = np.zeros((N_TAXELS + 1, 3)), np.zeros((N_PADS, 6))  # the last row belongs to no taxel
        slip, pressure = np.zeros(N_PADS), np.zeros(N_PADS)
        for touches in _joined(self._notes):
            pad = touches.pad
            point_m, on_pad = self._in_pad_frame(touches)
            np.add.at(wrench, pad, on_pad)
            np.add.at(force, self._taxel[pad], self._shares(pad, point_m)[..., None] * on_pad[:, None, :3])
            normal_n = np.abs(touches.force[:, 0])
            np.add.at(slip, pad, normal_n * _tangential_speed(touches))
            np.add.at(pressure, pad, normal_n)
        n = max(1, self._readings)
        self._notes, self._readings = [], 0
        slip = np.divide(slip, pressure, out=slip, where=pressure > 0)
        return SkinTruth(force[:N_TAXELS] / n, wrench / n, slip)

    def _in_pad_frame(self, touches: _Touches) -> tuple[Array, Array]:
        """Contact points (n, 3) about the pad origin and wrenches on the pad (n, 6), pad frame."""
        pad, axes = touches.pad, touches.frame.reshape(-1, 3, 3)  # rows: normal and two tangents
        to_link = self._pad_to_link[pad]
        to_world = touches.link_to_world.reshape(-1, 3, 3) @ to_link
        force, torque = np.moveaxis(touches.force.reshape(-1, 2, 3) @ axes @ to_world, 1, 0)
        on_link = ((touches.point_m - touches.link_m)[:, None] @ to_world)[:, 0]
        point_m = on_link - (self._pad_origin_m[pad, None] @ to_link)[:, 0]
        return point_m, np.concatenate([force, _cross(point_m, force) + torque], -1)

    def _shares(self, pad: Array, point_m: Array) -> Array:
        """Share (n, 30) of each contact point (n, 3, pad frame) that the pad's taxels take; rows add up to 1."""
        apart = ((self._taxel_m[pad] - point_m[:, None]) ** 2).sum(-1)
        weights = np.exp(-0.5 * (apart - apart.min(-1, keepdims=True)) / self._sigma_m[pad, None] ** 2)
        shares: Array = weights / weights.sum(-1, keepdims=True)
        return shares


@dataclass(frozen=True)
class _Touches:
    """Contacts of a pad with something, one row each, as MuJoCo has them."""

    pad: Array
    """(n,) pad."""
    force: Array
    """(n, 6) force and torque on the pad in the contact frame, N and Nm."""
    frame: Array
    """(n, 9) rows normal, tangent, tangent in the world frame."""
    point_m: Array
    """(n, 3) world frame."""
    link_m: Array
    """(n, 3) origin of the pad's link, world frame."""
    link_to_world: Array
    """(n, 9) rotation of the pad's link."""
    velocity: Array
    """(n, 2, 6) rad/s and m/s of the pad's link and of the other body, world frame, at `velocity_about_m`."""
    velocity_about_m: Array
    """(n, 2, 3) centre of mass of the body's tree, where MuJoCo gives its velocity."""


_ROWS = np.arange(6)


def _joined(notes: list[_Touches]) -> list[_Touches]:
    """All notes as one, or nothing."""
    if not notes:
        return []
    names = [column.name for column in fields(_Touches)]
    return [_Touches(*(np.concatenate([getattr(note, name) for note in notes]) for name in names))]


def _tangential_speed(touches: _Touches) -> Array:
    """(n,) speed at which the two surfaces slide along each other, m/s."""
    arm = touches.point_m[:, None] - touches.velocity_about_m
    velocity = touches.velocity[..., 3:] + _cross(touches.velocity[..., :3], arm)
    relative = velocity[:, 1] - velocity[:, 0]
    normal = touches.frame[:, :3]
    sliding = relative - normal * (relative * normal).sum(-1, keepdims=True)
    speed: Array = np.sqrt((sliding**2).sum(-1))
    return speed


def _cross(a: Array, b: Array) -> Array:
    """Cross product (..., 3); numpy's own takes several times longer on a dozen rows."""
    product: Array = a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]
    return product


def _taxels_of_pads(layout: SkinLayout) -> tuple[Array, Array, Array]:
    """Per pad: canonical taxels (18, 30), their places about the pad origin (18, 30, 3), sigma of the spread (18,).

    Pads with fewer than 30 taxels are filled up with index 368 at a great distance, which takes no share.
    """
    most = max(pad.count for pad in layout.pads)
    taxel = np.full((len(layout.pads), most), N_TAXELS)
    taxel_m = np.full((len(layout.pads), most, 3), 1e3)
    for pad in layout.pads:
        taxel[pad.index, : pad.count] = np.arange(pad.first, pad.first + pad.count)
        taxel_m[pad.index, : pad.count] = (layout.positions_m["vendor"][pad.taxels] - pad.position_m) @ pad.rotation
    sigma_m = [SPREAD_PITCHES * _pitch_m(taxel_m[pad.index, : pad.count]) for pad in layout.pads]
    return taxel, taxel_m, np.array(sigma_m)


def _pitch_m(taxels_m: Array) -> float:
    """Mean distance to the nearest neighbour, m."""
    apart = np.linalg.norm(taxels_m[:, None] - taxels_m, axis=-1) + np.diag(np.full(len(taxels_m), np.inf))
    return float(apart.min(-1).mean())
