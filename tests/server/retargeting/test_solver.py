"""The compiled solver gives what the numpy reference gives; pinches close, links stay apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.operator_motion.human_hand import HandShape, hand_pose
from server.retargeting import native
from server.retargeting.hand_body import hand_body
from server.retargeting.human_hand import WEBXR_WRIST_TO_OPERATOR
from server.retargeting.imitation import REST_RAD, imitation_of, pinch_shares
from server.retargeting.metrics import human_tips_m, pinch_gaps_mm, robot_tips_m
from server.retargeting.reference_objective import deepest, evaluate
from server.retargeting.retargeter import Retargeter
from server.retargeting.solver import NativeSolver, NumpySolver, best_solver
from server.retargeting.tuning import Tuning
from skin_teleop import native_build
from skin_teleop.errors import MissingPartError
from skin_teleop.hand import FINGERS, TIP_RADIUS_M, hand_model

MODEL = hand_model("allegro_v4_right")
REST = np.array([REST_RAD[finger] for finger in FINGERS]).reshape(16)
BODY = hand_body(MODEL)[0]
SCALE = np.array([1.3, 1.25, 1.3, 1.2])
IDENTITY = np.eye(3)


def shape(rng: np.random.Generator) -> np.ndarray:
    """(25, 3) keypoints of a parametric hand with random flexions."""
    flexion = rng.uniform(0, 70, 12)
    thumb = [rng.uniform(-5, 10), rng.uniform(40, 75), rng.uniform(0, 100), *rng.uniform(0, 50, 2)]
    return hand_pose(np.array([*flexion, *thumb]), np.zeros(3), IDENTITY)[:, :3]


def pinching(distance_m: float) -> np.ndarray:
    """A hand whose index fingertip is this far from its thumb tip."""
    points = hand_pose(HandShape(knuckle=(45, 20, 20, 20), middle=(45, 20, 20, 20)).angles(), np.zeros(3), IDENTITY)
    points = points[:, :3].copy()
    way = (points[9] - points[4]) / np.linalg.norm(points[9] - points[4])
    middle = (points[9] + points[4]) / 2
    for tip, sign in ((9, 1), (4, -1)):
        moved = middle + sign * way * distance_m / 2 - points[tip]
        points[tip] += moved
        points[tip - 1] += moved * 0.6
    return points


def test_compiled_and_numpy_agree():
    compiled, plain = NativeSolver(MODEL, REST, Tuning()), NumpySolver(MODEL, REST, Tuning())
    rng = np.random.default_rng(4)
    for _ in range(12):
        keypoints = shape(rng)
        fast, slow = (solver.retarget(keypoints, IDENTITY, 1.0, SCALE) for solver in (compiled, plain))
        assert fast is not None and slow is not None
        np.testing.assert_allclose(fast[0], slow[0], atol=1e-5)
        np.testing.assert_allclose(fast[1]["tip_error_m"], slow[1]["tip_error_m"], atol=1e-6)
        assert fast[1]["iterations"] == slow[1]["iterations"]
        assert fast[1]["closest_pair"] == slow[1]["closest_pair"]
        assert fast[1]["deepest_contact"] == slow[1]["deepest_contact"]
        assert fast[1]["projected"] == slow[1]["projected"]
        np.testing.assert_allclose(fast[1]["depth_m"], slow[1]["depth_m"], atol=1e-6)


def test_neither_solves_what_cannot_be_a_hand():
    for solver in (NativeSolver(MODEL, REST, Tuning()), NumpySolver(MODEL, REST, Tuning())):
        assert solver.retarget(np.zeros((25, 3)), IDENTITY, 1.0, SCALE) is None
        assert solver.retarget(np.full((25, 3), np.nan), IDENTITY, 1.0, SCALE) is None
        assert solver.retarget(shape(np.random.default_rng(0)), IDENTITY * np.nan, 1.0, SCALE) is None
        assert solver.retarget(shape(np.random.default_rng(0)), IDENTITY, -1.0, SCALE) is None
        assert solver.retarget(shape(np.random.default_rng(0)) * [-1, 1, 1], IDENTITY, 1.0, SCALE) is None
        assert solver.retarget(shape(np.random.default_rng(0)) * [-1, 1, 1], IDENTITY, -1.0, SCALE) is not None


def test_gradient_is_that_of_the_cost():
    rng = np.random.default_rng(1)
    points = pinching(0.02) @ WEBXR_WRIST_TO_OPERATOR.T
    asked = imitation_of(points, SCALE, -0.095, REST, Tuning())
    q, step = rng.uniform(MODEL.lower_rad, MODEL.upper_rad), 1e-6
    here = evaluate(BODY, asked, q, range(4))
    for k in range(16):
        ahead, behind = (evaluate(BODY, asked, q + sign * step * np.eye(16)[k], range(4)).cost_m2 for sign in (1, -1))
        assert here.gradient[k] == pytest.approx((ahead - behind) / (4 * step), abs=1e-8)


def test_the_curvature_of_one_finger_is_that_of_its_gradient():
    points = shape(np.random.default_rng(2)) @ WEBXR_WRIST_TO_OPERATOR.T
    asked = imitation_of(points, SCALE, -0.095, REST, Tuning())
    step = 1e-5
    here = evaluate(BODY, asked, REST, range(4, 4))
    assert here.cost_m2 == 0
    here = evaluate(BODY, asked, REST, range(0, 1))
    for k in range(4):
        ahead, behind = (evaluate(BODY, asked, REST + sign * step * np.eye(16)[k], range(0, 1)) for sign in (1, -1))
        np.testing.assert_allclose(
            here.curvature[:4, k], (ahead.gradient - behind.gradient)[:4] / (2 * step), atol=1e-8
        )


@pytest.mark.parametrize("distance_m", [0.002, 0.008, 0.014])
def test_a_human_pinch_brings_the_tips_to_within_two_millimetres(distance_m):
    keypoints = pinching(distance_m)
    q = Retargeter(MODEL, SCALE).solve(keypoints, IDENTITY).q_rad
    gaps = pinch_gaps_mm(human_tips_m(keypoints[None]), robot_tips_m(MODEL, q[None]))
    assert len(gaps) == 1
    assert 0 <= gaps[0] <= 2


def test_the_pinch_opens_without_a_step():
    retargeter = Retargeter(MODEL, SCALE)
    gaps = []
    for distance_m in np.linspace(0.01, 0.06, 51):
        tips = robot_tips_m(MODEL, retargeter.solve(pinching(distance_m), IDENTITY).q_rad[None])[0]
        gaps.append(float(np.linalg.norm(tips[0] - tips[3])) - 2 * TIP_RADIUS_M)
    assert np.abs(np.diff(gaps)).max() < 0.006
    assert gaps[-1] > 0.02


def test_pinch_shares_go_from_one_to_nothing():
    tuning = Tuning()
    shares = pinch_shares(np.array([0.0, tuning.pinch_near_m, 0.03, tuning.pinch_far_m, 0.1]), tuning)
    assert shares[0] == shares[1] == 1
    assert 0 < shares[2] < 1
    assert shares[3] == shares[4] == 0


def test_no_hand_shape_pushes_links_a_millimetre_into_each_other():
    rng = np.random.default_rng(8)
    answers = Retargeter(MODEL, SCALE).solve_all([shape(rng) for _ in range(200)])
    assert set(answers.held) == {""}
    assert answers.closest_m.min() >= -Tuning().bound_depth_m
    for q_rad, closest_m in zip(answers.q_rad[::10], answers.closest_m[::10]):
        depth_m, row = deepest(BODY, q_rad)
        assert (row < 0) == (closest_m >= 0)
        assert depth_m == pytest.approx(max(0.0, -closest_m), abs=1e-9)


@pytest.mark.parametrize(("solver_of", "shapes", "least"), [(NativeSolver, 60, 10), (NumpySolver, 5, 1)])
def test_where_no_projection_is_allowed_the_hand_goes_back_towards_rest(solver_of, shapes, least):
    hurried = Tuning(projections=0, collision_weight=0, soft_collision_weight=0)
    free = Tuning(projections=0, collision_weight=0, soft_collision_weight=0, bound_depth_m=1.0)
    rng, retreats = np.random.default_rng(5), 0
    for keypoints in [shape(rng) for _ in range(shapes)]:
        bound, deep = (solver_of(MODEL, REST, t).retarget(keypoints, IDENTITY, 1.0, SCALE) for t in (hurried, free))
        assert bound is not None and deep is not None
        assert bound[1]["depth_m"] <= hurried.bound_depth_m
        assert (bound[1]["retreated"] == 1) == (deep[1]["depth_m"] > hurried.bound_depth_m)
        if bound[1]["retreated"]:
            retreats += 1
            share = (bound[0] - deep[0])[:4] / (REST - deep[0])[:4]
            np.testing.assert_allclose(share, share[0], atol=1e-3)
            assert bound[1]["depth_m"] > 0.5 * hurried.bound_depth_m
    assert retreats >= least


def test_without_a_compiler_the_fix_is_named_and_numpy_takes_over(monkeypatch, tmp_path: Path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(native_build.shutil, "which", lambda name: None)
    monkeypatch.setattr(native_build, "find_spec", lambda name: None)
    native.native_library.cache_clear()
    try:
        with pytest.raises(MissingPartError, match=r"no C compiler .*; next: sudo apt install gcc"):
            native.native_library()
        assert best_solver(MODEL, REST, Tuning()).name == "numpy"
        assert "retargeting runs in numpy" in caplog.text
    finally:
        native.native_library.cache_clear()
