"""The robot hand as the solver sees it: four chains, their limits, and capsules around links that could touch.

Capsules stand for the URDF's collision shapes: a link's box (19.6 by 27.5 mm across) becomes a capsule
along the link, which ends in the fingertip's sphere; the palm becomes three capsules of half its thickness.
"""

from __future__ import annotations

import functools

import numpy as np

from server.retargeting.boxes import FIRST_TIP, Box, find_contact, may_touch
from skin_teleop.hand import FINGERS, TIP_RADIUS_M, HandModel
from skin_teleop.kinematics import hand_posture, joint_transforms
from skin_teleop.transforms import Array

PALM = -1
THUMB = FINGERS.index("thumb")
LINK_RADIUS_M, PINCHING_RADIUS_M = 0.0155, 0.0125
"""A link, between the half width (13.75 mm) and the half diagonal (16.9 mm) of its box: the whole diagonal costs 10 %
more fingertip error. Where a thumb and a finger may pinch, their last links are a little wider than the 12 mm tips, so
that pads can meet."""
_PALM_ACROSS = (-1.0, 0.0, 1.0)
MAX_CAPSULES, MAX_PAIRS, MAX_CONTACTS = 20, 192, 210
BODY = np.dtype(
    [
        ("constant", "f8", (4, 4, 3, 4)),  # joint transform at angle 0 in the parent link, m
        ("by_sine", "f8", (4, 4, 3, 3)),  # what sin(q) adds to its rotation
        ("by_versine", "f8", (4, 4, 3, 3)),  # what 1 - cos(q) adds
        ("axis", "f8", (4, 4, 3)),  # joint axes in their own frames
        ("tip_m", "f8", (4, 3)),  # fingertip in the last link
        ("lower_rad", "f8", (16,)),
        ("upper_rad", "f8", (16,)),
        ("capsules", "i8"),  # how many rows of the next two count
        ("capsule_link", "i8", (MAX_CAPSULES,)),  # link that carries it, -1 is the palm
        ("capsule_m", "f8", (MAX_CAPSULES, 2, 3)),  # ends of its axis in the link frame
        ("pairs", "i8"),  # how many rows of the next four count
        ("pair", "i8", (MAX_PAIRS, 2)),  # capsules that may touch: other fingers, and not together in the zero pose
        ("pair_radius_m", "f8", (MAX_PAIRS,)),  # sum of both radii
        ("pair_reach_m", "f8", (MAX_PAIRS,)),  # the same with half of both lengths: middles farther apart cannot touch
        ("pair_finger", "i8", (MAX_PAIRS,)),  # finger whose tip meets the thumb's tip in this pair, else -1
        ("box_centre_m", "f8", (17, 3)),  # the URDF's boxes in their links, the palm last
        ("box_half_m", "f8", (17, 3)),
        ("tip_radius_m", "f8"),
        ("contacts", "i8"),  # how many rows of the next count
        ("contact", "i8", (MAX_CONTACTS, 2)),  # shapes that must not touch: boxes 0 to 16, tips 17 to 20
    ]
)
"""Constants of one hand in one record, fingers as in `skin_teleop.hand.FINGERS`: the compiled solver takes it by
address (`native/hand.h` has the same struct)."""


@functools.lru_cache(maxsize=8)
def hand_body(model: HandModel) -> Array:
    """(1,) `BODY` record of `model`; its limits are the largest box that float32 keeps inside the model's."""
    record = np.zeros(1, BODY)
    body = record[0]
    constant, by_sine, by_versine = joint_transforms(model)
    body["constant"], body["axis"] = constant[..., :3, :], model.joint_axis
    body["by_sine"], body["by_versine"] = by_sine[..., :3, :3], by_versine[..., :3, :3]
    body["tip_m"] = model.tip_xyz_m
    body["lower_rad"], body["upper_rad"] = float32_at_least(model.lower_rad), -float32_at_least(-model.upper_rad)
    links, ends = _capsules(model)
    body["capsules"] = len(links)
    body["capsule_link"][: len(links)], body["capsule_m"][: len(links)] = links, ends
    pairs, radius, finger = _pairs(model, links, ends)
    body["pairs"] = len(pairs)
    body["pair"][: len(pairs)], body["pair_radius_m"][: len(pairs)] = pairs, radius
    halves = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) / 2
    body["pair_reach_m"][: len(pairs)] = radius + halves[pairs].sum(-1)
    body["pair_finger"][: len(pairs)] = finger
    body["box_centre_m"] = np.concatenate([model.link_box_centre_m, model.palm_box_centre_m[None]])
    body["box_half_m"] = np.concatenate([model.link_box_size_m, model.palm_box_size_m[None]]) / 2
    body["tip_radius_m"] = TIP_RADIUS_M
    contacts = _contacts(model, record[0])
    body["contacts"] = len(contacts)
    body["contact"][: len(contacts)] = contacts
    return record


def boxes_at(body: Array, link_rotation: Array, link_position_m: Array) -> list[Box]:
    """The 17 boxes for link rotations (16, 3, 3) and positions (16, 3) m, the palm last."""
    rotation = np.concatenate([link_rotation, np.eye(3)[None]])
    position = np.concatenate([link_position_m, np.zeros((1, 3))])
    centre = position + (rotation @ body["box_centre_m"][..., None])[..., 0]
    return [Box(*box) for box in zip(centre, rotation.swapaxes(-1, -2), body["box_half_m"])]


def float32_at_least(values: Array) -> Array:
    """The smallest float32 numbers that are not below `values`, as float64.

    Targets travel as float32; a limit rounded outwards would let them pass it by 1e-8 rad.
    """
    rounded = values.astype(np.float32)
    up = np.where(rounded < values, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return up.astype(float)


def capsule_ends(posture_rotation: Array, posture_position_m: Array, links: Array, ends_m: Array) -> Array:
    """(C, 2, 3) capsule axes in palm for link rotations (16, 3, 3) and positions (16, 3) m."""
    rotation = np.concatenate([posture_rotation, np.eye(3)[None]])[links]
    position = np.concatenate([posture_position_m, np.zeros((1, 3))])[links]
    turned: Array = ends_m @ rotation.swapaxes(-1, -2) + position[:, None]
    return turned


def _capsules(model: HandModel) -> tuple[Array, Array]:
    links, ends = [], []
    for k in range(16):
        finger, joint = divmod(k, 4)
        if joint or finger != THUMB:  # the thumb's first link lies beside the palm and touches only that
            far = model.tip_xyz_m[finger] if joint == 3 else model.joint_xyz_m[finger, joint + 1]
            links.append(k)
            ends.append([np.zeros(3), far])
    thickness, width, length = model.palm_box_size_m
    for side in _PALM_ACROSS:
        across = np.array([0.0, side * (width - thickness) / 2, 0.0])
        along = np.array([0.0, 0.0, (length - thickness) / 2])
        links.append(PALM)
        ends.append([model.palm_box_centre_m + across - along, model.palm_box_centre_m + across + along])
    return np.array(links), np.array(ends, float)


def _radius_m(model: HandModel, link: int, other: int) -> float:
    if link == PALM:
        return float(model.palm_box_size_m[0]) / 2
    pinching = 4 * THUMB + 3 in (link, other) and link % 4 == other % 4 == 3
    return PINCHING_RADIUS_M if pinching else LINK_RADIUS_M


def _pairs(model: HandModel, links: Array, ends: Array) -> tuple[Array, Array, Array]:
    zero = hand_posture(model, np.clip(np.zeros(16), model.lower_rad, model.upper_rad))
    placed = capsule_ends(zero.link_rotation, zero.link_position_m, links, ends)
    pairs, radii, fingers = [], [], []
    for a in range(len(links)):
        for b in range(a + 1, len(links)):
            one, two = int(links[a]), int(links[b])
            if one // 4 == two // 4:
                continue
            radius = _radius_m(model, one, two) + _radius_m(model, two, one)
            if _sampled_distance_m(placed[a], placed[b]) > radius:
                pairs.append((a, b))
                radii.append(radius)
                fingers.append(one // 4 if two == 4 * THUMB + 3 and one % 4 == 3 else -1)
    return np.array(pairs), np.array(radii), np.array(fingers)


def _contacts(model: HandModel, body: Array) -> list[tuple[int, int]]:
    zero = hand_posture(model, np.clip(np.zeros(16), model.lower_rad, model.upper_rad))
    boxes = boxes_at(body, zero.link_rotation, zero.link_position_m)
    return [
        (a, b)
        for a in range(FIRST_TIP)
        for b in range(a + 1, FIRST_TIP + 4)
        if may_touch(a, b) and find_contact(boxes, zero.tip_position_m, TIP_RADIUS_M, a, b) is None
    ]


def _sampled_distance_m(one: Array, two: Array) -> float:
    share = np.linspace(0, 1, 21)[:, None]
    a, b = (ends[0] + share * (ends[1] - ends[0]) for ends in (one, two))
    return float(np.linalg.norm(a[:, None] - b[None], axis=-1).min())
