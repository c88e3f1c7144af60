"""Cost, gradient and curvature of one posture in plain numpy: the reference of `native/objective.h`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from server.retargeting.boxes import Contact, find_contact, shape_link
from server.retargeting.hand_body import PALM, THUMB, boxes_at
from server.retargeting.segments import nearest_points
from skin_teleop.hand import TIP_RADIUS_M
from skin_teleop.kinematics import cross
from skin_teleop.transforms import Array

_INNER_FIRST = np.triu(np.ones((4, 4), bool))


@dataclass(slots=True, eq=False)
class Quadratic:
    """The cost around one posture: half the gradient (16,) and half the curvature (16, 16)."""

    cost_m2: float
    gradient: Array
    curvature: Array


class Posture:
    """Links (4, 4), joint axes and fingertips in palm for joints (16,) rad."""

    def __init__(self, body: Array, q_rad: Array) -> None:
        angles = q_rad.reshape(4, 4, 1, 1)
        turn = body["constant"][..., :3] + np.sin(angles) * body["by_sine"] + (1 - np.cos(angles)) * body["by_versine"]
        self.rotation, self.position_m = np.zeros((4, 4, 3, 3)), np.zeros((4, 4, 3))
        rotation, position = np.tile(np.eye(3), (4, 1, 1)), np.zeros((4, 3))
        for joint in range(4):
            position = position + (rotation @ body["constant"][:, joint, :, 3:])[..., 0]
            rotation = rotation @ turn[:, joint]
            self.rotation[:, joint], self.position_m[:, joint] = rotation, position
        self.axis = (self.rotation @ body["axis"][..., None])[..., 0]
        self.tip_m: Array = position + (rotation @ body["tip_m"][..., None])[..., 0]

    def capsule_ends_m(self, body: Array) -> Array:
        """(C, 2, 3) ends of the capsules' axes."""
        count = int(body["capsules"])
        rotation = np.concatenate([self.rotation.reshape(16, 3, 3), np.eye(3)[None]])[body["capsule_link"][:count]]
        position = np.concatenate([self.position_m.reshape(16, 3), np.zeros((1, 3))])[body["capsule_link"][:count]]
        ends: Array = body["capsule_m"][:count] @ rotation.swapaxes(-1, -2) + position[:, None]
        return ends


def evaluate(body: Array, asked: Array, q_rad: Array, fingers: range) -> Quadratic:
    """The cost of `fingers`; pinches and collisions count when all four are asked for."""
    posture, away = Posture(body, q_rad), q_rad - asked["rest_rad"]
    weight = np.square(asked["rest_weight_m"])
    joints = np.isin(np.arange(16) // 4, fingers)
    at = Quadratic(float((weight * away**2)[joints].sum()), weight * away, np.diag(weight))
    for f in fingers:
        arms = posture.tip_m[f] - posture.position_m[f]
        _add_vector(at, posture.axis, f, asked["tip_weight"][f], posture.tip_m[f] - asked["tip_m"][f], arms)
        for bone in range(3):
            along = posture.rotation[f, bone + 1, :, 2]
            arms = np.tile(along, (bone + 2, 1))
            _add_vector(at, posture.axis, f, asked["bone_weight_m"][f, bone], along - asked["bone"][f, bone], arms)
    if len(fingers) == 4:
        _add_pinches(at, posture, asked)
        if asked["box_weight"] > 0:
            _add_contacts(at, posture, body, asked)
        if asked["pair_weight"] > 0:
            _add_collisions(at, posture, body, asked)
    return at


def closest(body: Array, q_rad: Array) -> tuple[float, int]:
    """Least distance between surfaces over all pairs, m (negative is a depth), and its row in `pair`."""
    ends = Posture(body, q_rad).capsule_ends_m(body)
    count = int(body["pairs"])
    pairs = body["pair"][:count]
    here, there = nearest_points(ends[pairs[:, 0]], ends[pairs[:, 1]])
    gap = np.linalg.norm(here - there, axis=-1) - body["pair_radius_m"][:count]
    return float(gap.min()), int(gap.argmin())


def deepest(body: Array, q_rad: Array) -> tuple[float, int]:
    """Depth of the deepest contact of the real shapes, m, and its row in `contact`; 0 and -1 where nothing touches."""
    most = (0.0, -1)
    for row, _, contact in _contacts(body, Posture(body, q_rad)):
        most = (contact.depth_m, row) if contact.depth_m > most[0] else most
    return most


def _contacts(body: Array, posture: Posture) -> Iterator[tuple[int, tuple[int, int], Contact]]:
    """Row, shapes and contact of everything that touches."""
    boxes = boxes_at(body, posture.rotation.reshape(16, 3, 3), posture.position_m.reshape(16, 3))
    for row, (a, b) in enumerate(body["contact"][: int(body["contacts"])].tolist()):
        contact = find_contact(boxes, posture.tip_m, float(body["tip_radius_m"]), a, b)
        if contact is not None:
            yield row, (a, b), contact


def _add_contacts(at: Quadratic, posture: Posture, body: Array, asked: Array) -> None:
    weight, free_m = float(asked["box_weight"]), float(asked["box_depth_m"])
    for _, shapes, contact in _contacts(body, posture):
        if contact.depth_m > free_m:
            links, points = tuple(map(shape_link, shapes)), (contact.on_first_m, contact.on_second_m)
            _add_length(at, posture, links, points, contact.normal, weight, contact.depth_m - free_m)


def _add_vector(at: Quadratic, axes: Array, finger: int, weight: float, error: Array, arms: Array) -> None:
    """Add weight^2 |error|^2 of a vector that turns with the first joints of a finger by axis x arm."""
    count = len(arms)
    axis = axes[finger, :count]
    columns = weight * cross(axis, arms)  # (count, 3)
    bend = cross((weight * error)[None], axis) @ columns.T
    bend = np.where(_INNER_FIRST[:count, :count], bend, bend.T)
    rows = slice(4 * finger, 4 * finger + count)
    at.cost_m2 += weight**2 * float(error @ error)
    at.gradient[rows] += columns @ (weight * error)
    at.curvature[rows, rows] += columns @ columns.T + bend


def _add_pinches(at: Quadratic, posture: Posture, asked: Array) -> None:
    for f in range(THUMB):
        weight = asked["pinch_weight"][f]
        if weight > 0:
            keep = 2 * TIP_RADIUS_M + asked["pinch_gap_m"][f]
            _add_gap(at, posture, (4 * f + 3, 15), posture.tip_m[f], posture.tip_m[THUMB], weight, keep)


def _add_collisions(at: Quadratic, posture: Posture, body: Array, asked: Array) -> None:
    count = int(body["pairs"])
    pairs, ends = body["pair"][:count], posture.capsule_ends_m(body)
    here, there = nearest_points(ends[pairs[:, 0]], ends[pairs[:, 1]])
    margins = np.append(asked["apart_margin_m"], asked["margin_m"])
    keep = body["pair_radius_m"][:count] + margins[body["pair_finger"][:count]]  # finger -1 reads the last margin
    links = body["capsule_link"][pairs]
    for p in np.flatnonzero(np.linalg.norm(here - there, axis=-1) < keep):
        _add_gap(at, posture, tuple(links[p]), here[p], there[p], float(asked["pair_weight"]), float(keep[p]))


def _add_gap(
    at: Quadratic, posture: Posture, links: tuple[int, ...], here: Array, there: Array, weight: float, keep: float
) -> None:
    """Add (weight (distance - keep))^2 between a point of one link and a point of another; -1 is the palm."""
    apart = here - there
    distance = max(float(np.linalg.norm(apart)), 1e-6)
    _add_length(at, posture, links, (here, there), apart / distance, weight, distance - keep)


def _add_length(
    at: Quadratic,
    posture: Posture,
    links: tuple[int, ...],
    points: tuple[Array, Array],
    along: Array,
    weight: float,
    excess_m: float,
) -> None:
    """Add (weight excess)^2 of a length that grows as the first link's point moves `along`, the second's against it."""
    slope, error = np.zeros(16), weight * excess_m
    axis, position = posture.axis.reshape(16, 3), posture.position_m.reshape(16, 3)
    for link, point, sign in zip(links, points, (weight, -weight)):
        if link != PALM:
            joints = slice(link // 4 * 4, link + 1)
            slope[joints] += sign * (cross(axis[joints], point - position[joints]) @ along)
    at.cost_m2 += error**2
    at.gradient += slope * error
    at.curvature += np.outer(slope, slope)
