"""Depths of the hand's shapes: known cases by hand, coal's on random postures, slopes by differences."""

from __future__ import annotations

import numpy as np
import pytest

from server.retargeting.boxes import FIRST_TIP, Box, find_contact, may_touch, shape_link
from server.retargeting.hand_body import hand_body
from server.retargeting.imitation import IMITATION
from server.retargeting.reference_objective import deepest, evaluate
from skin_teleop.hand import hand_model
from skin_teleop.transforms import rotation_from_rpy

MODEL = hand_model("allegro_v4_right")
BODY = hand_body(MODEL)[0]
HALF = np.array([0.01, 0.02, 0.03])
NO_TIPS = np.zeros((4, 3))


def box(centre: tuple[float, float, float], rpy: tuple[float, float, float] = (0, 0, 0)) -> Box:
    return Box(np.array(centre), rotation_from_rpy(rpy).T, HALF)


def test_two_upright_boxes_overlap_along_their_least_axis():
    contact = find_contact([box((0, 0, 0)), box((0.018, 0.01, 0))], NO_TIPS, 0.01, 0, 1)
    assert contact is not None
    assert contact.depth_m == pytest.approx(0.002)
    np.testing.assert_allclose(contact.normal, [1, 0, 0])
    np.testing.assert_allclose(contact.on_first_m, [0.008, 0.01, 0])  # middle of the face that lies flat
    assert find_contact([box((0, 0, 0)), box((0.0201, 0.01, 0))], NO_TIPS, 0.01, 0, 1) is None


def test_the_normal_points_from_the_first_to_the_second():
    boxes = [box((0, 0, 0)), box((0.018, 0.01, 0))]
    there, back = (find_contact(order, NO_TIPS, 0.01, 0, 1) for order in (boxes, boxes[::-1]))
    assert there is not None and back is not None
    np.testing.assert_allclose(there.normal, -back.normal)
    assert there.depth_m == pytest.approx(back.depth_m)


def test_crossed_edges_meet_where_they_cross():
    tilted, turned = box((0, 0, 0), (0, 0, np.pi / 4)), box((0.0, 0.052, 0.0), (np.pi / 4, 0, 0))
    contact = find_contact([tilted, turned], NO_TIPS, 0.01, 0, 1)
    assert contact is not None
    reach = (0.01 + 0.02) / np.sqrt(2) + (0.02 + 0.03) / np.sqrt(2)
    assert contact.depth_m == pytest.approx(reach - 0.052, abs=1e-9)
    np.testing.assert_allclose(contact.normal, [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(contact.on_first_m - contact.on_second_m, contact.depth_m * contact.normal, atol=1e-9)


@pytest.mark.parametrize(
    ("centre", "depth"),
    [((0.015, 0, 0), 0.005), ((0.013, 0.024, 0), 0.005), ((0.004, 0, 0), 0.016), ((0.03, 0, 0), None)],
)
def test_a_fingertip_is_a_ball(centre, depth):
    tips = np.tile(np.array(centre), (4, 1))
    boxes = [box((0, 0, 0))] * 17
    contact = find_contact(boxes, tips, 0.01, 0, FIRST_TIP)
    assert (contact is None) == (depth is None)
    if contact is not None:
        assert contact.depth_m == pytest.approx(depth)
        assert contact.normal[0] > 0.5


def test_what_may_touch_leaves_out_one_finger_the_palms_children_and_two_fingertips():
    assert may_touch(1, 5) and may_touch(3, 18) and may_touch(15, 16)
    assert not may_touch(1, 3) and not may_touch(3, 17) and not may_touch(0, 16) and not may_touch(17, 20)
    assert [shape_link(shape) for shape in (0, 15, 16, 17, 20)] == [0, 15, -1, 3, 15]


def test_nothing_touches_in_the_zero_and_the_rest_posture():
    for q_rad in (
        np.clip(np.zeros(16), MODEL.lower_rad, MODEL.upper_rad),
        np.array([0, 0.5, 0.6, 0.5] * 3 + [0.9, 0.4, 0.3, 0.5]),
    ):
        assert deepest(BODY, q_rad) == (0.0, -1)


def test_the_depth_of_random_postures_is_that_of_coal():
    pytest.importorskip("coal", reason="needs the extra retarget-bench")
    from skin_teleop.cli.hand_collisions import HandCollisions

    judge, rng, touching = HandCollisions(MODEL), np.random.default_rng(2), 0
    for _ in range(40):
        q_rad = rng.uniform(MODEL.lower_rad, MODEL.upper_rad)
        depth_m, row = deepest(BODY, q_rad)
        assert depth_m == pytest.approx(judge.deepest_m(q_rad), abs=1e-6)
        touching += row >= 0
    assert touching > 20


def test_the_slope_of_the_contact_term_is_that_of_its_cost():
    asked = np.zeros(1, IMITATION)[0]
    asked["box_weight"] = 1.0
    rng, step, judged = np.random.default_rng(4), 1e-7, 0
    for q_rad in rng.uniform(MODEL.lower_rad, MODEL.upper_rad, (6, 16)):
        here = evaluate(BODY, asked, q_rad, range(4))
        if here.cost_m2 == 0:
            continue
        judged += 1
        rise = [
            evaluate(BODY, asked, q_rad + turn, range(4)).cost_m2
            - evaluate(BODY, asked, q_rad - turn, range(4)).cost_m2
            for turn in step * np.eye(16)
        ]
        slope = np.array(rise) / (
            4 * step
        )  # nearly flat edges touch in their middle, so slopes are close and not equal
        cosine = slope @ here.gradient / np.linalg.norm(slope) / np.linalg.norm(here.gradient)
        assert cosine > 0.98
        np.testing.assert_allclose(np.linalg.norm(here.gradient), np.linalg.norm(slope), rtol=0.1)
    assert judged >= 3
