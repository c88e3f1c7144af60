"""Depth of the hand's own shapes in each other, in plain numpy: the reference of `native/boxes.h`.

Shapes are the URDF's collision shapes: 0 to 15 the links' boxes, 16 the palm's, 17 to 20 the balls of the fingertips.
Two boxes are judged along the fifteen axes that could separate them (Gottschalk, Lin and Manocha 1996, "OBBTree").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skin_teleop.kinematics import cross
from skin_teleop.transforms import Array

PALM_BOX, FIRST_TIP = 16, 17
FLAT = 0.05
"""Sine below which an edge lies flat on a face, which then touches in the edge's middle."""
_EDGE_BONUS_M = 1e-6
_NEXT = np.array([1, 2, 0])


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """One box in palm: centre (3,) m, axes as rows (3, 3), half sizes (3,) m."""

    centre_m: Array
    axis: Array
    half_m: Array


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """How deep two shapes are in each other; the normal (3,) points from the first to the second."""

    depth_m: float
    normal: Array
    on_first_m: Array
    on_second_m: Array


def may_touch(a: int, b: int) -> bool:
    """Whether shapes of different fingers, not parent and child, not two fingertips (which may pinch)."""
    both_tips = a >= FIRST_TIP and b >= FIRST_TIP
    child_of_palm = PALM_BOX in (a, b) and min(a, b) % 4 == 0 and min(a, b) < PALM_BOX
    return _finger(a) != _finger(b) and not both_tips and not child_of_palm


def shape_link(shape: int) -> int:
    """The link that carries a shape, -1 for the palm."""
    if shape >= FIRST_TIP:
        return 4 * (shape - FIRST_TIP) + 3
    return -1 if shape == PALM_BOX else shape


def find_contact(boxes: list[Box], tips_m: Array, radius_m: float, a: int, b: int) -> Contact | None:
    """Contact of shapes `a` < `b`, None where they are apart; `tips_m` (4, 3)."""
    one, ball = boxes[a], b >= FIRST_TIP
    there = tips_m[b - FIRST_TIP] if ball else boxes[b].centre_m
    reach = np.linalg.norm(one.half_m) + (radius_m if ball else np.linalg.norm(boxes[b].half_m))
    if np.linalg.norm(there - one.centre_m) > reach:
        return None
    return _ball_contact(one, there, radius_m) if ball else _box_contact(one, boxes[b])


def _box_contact(one: Box, two: Box) -> Contact | None:
    depths = np.where(np.arange(15) < 6, 0.0, _EDGE_BONUS_M) + (found := _depths_m(one, two))
    if found.min() < 0:
        return None
    best = int(depths.argmin())
    a, b = (best, -1) if best < 3 else (-1, best - 3) if best < 6 else divmod(best - 6, 3)
    normal = one.axis[a] if b < 0 else two.axis[b] if a < 0 else cross(one.axis[a][None], two.axis[b])[0]
    normal = normal / np.linalg.norm(normal)
    normal = -normal if normal @ (two.centre_m - one.centre_m) < 0 else normal
    if a < 0 or b < 0:
        point = _farthest(two, -normal, -1) if b < 0 else _farthest(one, normal, -1)
        return Contact(float(found[best]), normal, point, point)
    on_first, on_second = _farthest(one, normal, a), _farthest(two, -normal, b)
    return Contact(float(found[best]), normal, *_meet(one, a, on_first, two, b, on_second))


def _depths_m(one: Box, two: Box) -> Array:
    """(15,) overlap along the faces' axes of both and the edges' crosses; infinite where two edges are parallel."""
    between, cosine = two.centre_m - one.centre_m, one.axis @ two.axis.T
    here, there, steep = one.axis @ between, two.axis @ between, np.abs(cosine)
    faces = [one.half_m + steep @ two.half_m - np.abs(here), two.half_m + one.half_m @ steep - np.abs(there)]
    a1, a2 = _NEXT, _NEXT[_NEXT]
    apart = np.abs(here[a2, None] * cosine[a1] - here[a1, None] * cosine[a2])
    reach = one.half_m[a1, None] * steep[a2] + one.half_m[a2, None] * steep[a1]
    reach += two.half_m[a1] * steep[:, a2] + two.half_m[a2] * steep[:, a1]
    sine = np.sqrt(np.maximum(1 - cosine**2, 0))
    edges = np.where(sine < FLAT, np.inf, (reach - apart) / np.maximum(sine, FLAT))
    return np.concatenate([*faces, edges.reshape(9)])


def _farthest(box: Box, way: Array, open_axis: int) -> Array:
    """The point of a box farthest along `way`, from its middle where an axis lies flat; `open_axis` is left out."""
    share = np.clip(box.axis @ way / FLAT, -1, 1) * (np.arange(3) != open_axis)
    point: Array = box.centre_m + (share * box.half_m) @ box.axis
    return point


def _meet(one: Box, a: int, on_first_m: Array, two: Box, b: int, on_second_m: Array) -> tuple[Array, Array]:
    """Nearest points of two edges, each through a point along an axis and as long as its box."""
    u, v, apart = one.axis[a], two.axis[b], on_second_m - on_first_m
    cosine, along_u, along_v = u @ v, apart @ u, apart @ v
    sine2 = 1 - cosine**2
    s = np.clip((along_u - cosine * along_v) / sine2, -one.half_m[a], one.half_m[a])
    t = np.clip((cosine * along_u - along_v) / sine2, -two.half_m[b], two.half_m[b])
    return on_first_m + s * u, on_second_m + t * v


def _ball_contact(box: Box, centre_m: Array, radius_m: float) -> Contact | None:
    local = box.axis @ (centre_m - box.centre_m)
    away = local - np.clip(local, -box.half_m, box.half_m)
    distance = float(np.linalg.norm(away))
    depth = radius_m - distance
    if distance < 1e-9:
        face = int((box.half_m - np.abs(local)).argmin())
        away, distance = np.eye(3)[face] * (-1 if local[face] < 0 else 1), 1.0
        depth = radius_m + float((box.half_m - np.abs(local)).min())
    return Contact(depth, away @ box.axis / distance, centre_m, centre_m) if depth >= 0 else None


def _finger(shape: int) -> int:
    if shape >= FIRST_TIP:
        return shape - FIRST_TIP
    return -1 if shape == PALM_BOX else shape // 4
