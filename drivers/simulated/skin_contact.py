"""What presses on the skin: the solver's contact forces on every pad, spread over its taxels.

Everything is given in the pad frame, whose z is the outward normal, as the force that the world exerts ON the skin:
a finger that is pressed therefore reads a negative z, and shear keeps the direction in which the skin is dragged.
A pad's taxel forces add up to the pad's force exactly. Forces are averaged over one skin period, every reading with
the time for which it stands; the shape of the touched area is that of the period's end.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import mujoco
import numpy as np

from drivers.simulated.skin.ambient import PadPoses
from drivers.simulated.skin.footprint import Footprint, signed_distance_m
from drivers.simulated.skin.pad_grid import PadGrid
from skin_teleop.messages import N_PADS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

SHAPE_OF_GEOM = {
    int(mujoco.mjtGeom.mjGEOM_PLANE): "plane",
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "sphere",
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): "capsule",
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): "ellipsoid",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
}


@dataclass(frozen=True)
class SkinTruth:
    """Mean forces of one skin period, pad frame, on the skin."""

    taxel_force_n: Array
    """(368, 3) N."""
    pad_wrench: Array
    """(18, 6) N, and Nm about the pad origin."""
    slip_m_per_s: Array
    """(18,) tangential speed at the contacts, weighted by their normal force; 0 without contact."""
    pads: PadPoses
    """Where the pads are at the end of the period, world frame."""


class SkinContact:
    """Notes contacts after physics steps (`read`) and gives their mean (`take`) once per skin period.

    Reading only copies what the solver found, so it is cheap; the sums are made for all readings at once.
    """

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, layout: SkinLayout, grid: PadGrid, footprint: Footprint
    ) -> None:
        self._model, self._data = model, data
        self._grid, self._footprint = grid, footprint
        self._pad_of_geom = pads_of_geoms(model, layout)
        self._body = np.array([model.body(pad.link).id for pad in layout.pads])
        self._pad_to_link = np.array([pad.rotation for pad in layout.pads])
        self._pad_origin_m = np.array([pad.position_m for pad in layout.pads])
        self._notes: list[_Touches] = []
        self._time_s = 0.0

    def read(self, dt_s: float = 1.0) -> None:
        """Note the contacts of the last physics step, which stand for `dt_s`."""
        self._time_s += dt_s
        if not self._data.ncon:
            return
        pads = self._pad_of_geom[self._data.contact.geom]  # (contacts, 2)
        index, side = np.nonzero(pads >= 0)
        if len(index):
            self._notes.append(self._touches(index, side, pads[index, side], dt_s))

    def _touches(self, index: Array, side: Array, pad: Array, dt_s: float) -> _Touches:
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
            geom=contact.geom[index, 1 - side],
            force=data.efc_force[rows] * solved * np.where(side == 1, dt_s, -dt_s)[:, None],
            frame=contact.frame[index],
            point_m=contact.pos[index],
            link_m=data.xpos[both[:, 0]],
            link_to_world=data.xmat[both[:, 0]],
            velocity=data.cvel[both],
            velocity_about_m=data.subtree_com[self._model.body_rootid[both]],
        )

    def take(self) -> SkinTruth:
        """The mean since the last call; all zero when nothing was touched."""
        force, wrench = np.zeros((*self._grid.shape, 3)), np.zeros((N_PADS, 6))
        slip, pressure = np.zeros(N_PADS), np.zeros(N_PADS)
        poses = self._pad_poses()
        for touches in _joined(self._notes):
            point_m, on_pad = self._in_pad_frame(touches)
            normal_n = np.abs(touches.force[:, 0])
            np.add.at(wrench, touches.pad, on_pad)
            np.add.at(slip, touches.pad, normal_n * _tangential_speed(touches))
            np.add.at(pressure, touches.pad, normal_n)
            self._spread(force, touches, point_m, on_pad[:, :3], normal_n, poses)
        time_s = self._time_s or 1.0
        self._notes, self._time_s = [], 0.0
        slip = np.divide(slip, pressure, out=slip, where=pressure > 0)
        return SkinTruth(self._grid.collect(force) / time_s, wrench / time_s, slip, poses)

    def _pad_poses(self) -> PadPoses:
        to_world = self._data.xmat[self._body].reshape(-1, 3, 3)
        position_m = self._data.xpos[self._body] + (to_world @ self._pad_origin_m[..., None])[..., 0]
        return PadPoses(to_world @ self._pad_to_link, position_m)

    def _spread(
        self, force: Array, touches: _Touches, point_m: Array, on_pad_n: Array, normal_n: Array, poses: PadPoses
    ) -> None:
        """Add forces (n, 3) to the taxels (18, 30, 3): one footprint for each pad and geom that touch."""
        n_geoms = self._model.ngeom
        pair, row = np.unique(touches.pad * n_geoms + touches.geom, return_inverse=True)
        pad, geom = pair // n_geoms, pair % n_geoms
        total, weight, centre = np.zeros((len(pair), 3)), np.zeros((len(pair), 1)), np.zeros((len(pair), 3))
        np.add.at(total, row, on_pad_n)
        np.add.at(weight, row, normal_n[:, None] + TINY_N)
        np.add.at(centre, row, point_m * (normal_n[:, None] + TINY_N))
        shares = self._footprint.shares(pad, self._distances_m(pad, geom, poses), centre / weight)
        np.add.at(force, pad, shares[..., None] * total[:, None])

    def _distances_m(self, pad: Array, geom: Array, poses: PadPoses) -> Array:
        """Signed distances (n, 30) of the taxels of pads (n,) from geoms (n,), m."""
        to_geom = self._data.geom_xmat[geom].reshape(-1, 3, 3).swapaxes(1, 2)
        turn = to_geom @ poses.rotation[pad]
        offset_m = (to_geom @ (poses.position_m[pad] - self._data.geom_xpos[geom])[..., None])[..., 0]
        taxel_m = self._grid.position_m[pad] @ turn.swapaxes(1, 2) + offset_m[:, None]  # (n, 30, 3)
        distance_m = np.empty(taxel_m.shape[:2])
        kinds = self._model.geom_type[geom]
        for kind in set(kinds.tolist()):
            of_kind = kinds == kind
            size_m = self._model.geom_size[geom[of_kind]]
            distance_m[of_kind] = signed_distance_m(SHAPE_OF_GEOM.get(kind, "mesh"), size_m, taxel_m[of_kind])
        return distance_m

    def _in_pad_frame(self, touches: _Touches) -> tuple[Array, Array]:
        """Contact points (n, 3) about the pad origin and wrenches on the pad (n, 6), pad frame."""
        pad, axes = touches.pad, touches.frame.reshape(-1, 3, 3)  # rows: normal and two tangents
        to_link = self._pad_to_link[pad]
        to_world = touches.link_to_world.reshape(-1, 3, 3) @ to_link
        force, torque = np.moveaxis(touches.force.reshape(-1, 2, 3) @ axes @ to_world, 1, 0)
        on_link = ((touches.point_m - touches.link_m)[:, None] @ to_world)[:, 0]
        point_m = on_link - (self._pad_origin_m[pad, None] @ to_link)[:, 0]
        return point_m, np.concatenate([force, _cross(point_m, force) + torque], -1)


@dataclass(frozen=True)
class _Touches:
    """Contacts of a pad with something, one row each, as MuJoCo has them."""

    pad: Array
    """(n,) pad."""
    geom: Array
    """(n,) what touches it."""
    force: Array
    """(n, 6) force and torque on the pad in the contact frame, times how long they stand for, N s and Nm s."""
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
TINY_N = 1e-9
"""Keeps the mean contact point defined where the solver found a contact without force."""


def pads_of_geoms(model: mujoco.MjModel, layout: SkinLayout) -> Array:
    """(ngeom,) which pad each geom is, or -1."""
    pads = np.full(model.ngeom, -1)
    for pad in layout.pads:
        pads[model.geom(pad.name).id] = pad.index
    return pads


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
