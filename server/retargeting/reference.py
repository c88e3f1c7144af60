"""The solver in plain numpy: the reference that the compiled one is tested against, and its stand-in.

Cost, gradient and curvature are those of `native/objective.h`, the steps those of `native/solver.c`.
"""

from __future__ import annotations

import numpy as np

from server.retargeting.hand_body import THUMB
from server.retargeting.imitation import imitation_of
from server.retargeting.reference_objective import Posture, closest, deepest, evaluate
from server.retargeting.tuning import Tuning
from skin_teleop.transforms import Array

REPORT = np.dtype(
    [
        ("cost_m2", "f8"),
        ("tip_error_m", "f8", (4,)),  # distance of each fingertip from where it was asked to be
        ("closest_m", "f8"),  # least distance between surfaces of two links; negative is a depth
        ("depth_m", "f8"),  # of the deepest pair of real shapes, 0 where nothing touches
        ("depth_before_m", "f8"),  # the same before the projection
        ("iterations", "i8"),
        ("closest_pair", "i8"),  # row of BODY.pair
        ("deepest_contact", "i8"),  # row of BODY.contact, -1 where nothing touches
        ("projected", "i8"),  # how many projections were needed
        ("retreated", "i8"),  # 1 where projections were not enough
    ]
)
STEP_TOLERANCE_RAD, GAIN_TOLERANCE_M2, MAX_STEP_RAD = 1e-4, 3e-9, 0.5
FIRST_DAMPING_M2, LEAST_DAMPING_M2, MOST_DAMPING_M2, LEAST_PIVOT_M2 = 1e-4, 1e-5, 1e2, 1e-7
LESS_DAMPING, MORE_DAMPING = 0.3, 10.0
RETREAT_HALVINGS = 11


def reference_retarget(
    body: Array,
    keypoints_m: Array,
    wrist_rotation: Array,
    side: float,
    scale: Array,
    wrist_in_palm_z_m: float,
    rest_rad: Array,
    tuning: Tuning,
) -> tuple[Array, Array]:
    """Joints (16,) rad and a `REPORT` record for one frame; the arguments are those of `native/solver.c`."""
    points = (np.asarray(keypoints_m, float) - keypoints_m[0]) @ wrist_rotation
    points = points[:, [1, 0, 2]] * [-1.0, -side, -1.0]
    asked = imitation_of(points, scale, wrist_in_palm_z_m, rest_rad, tuning)
    return solve(body, asked, tuning, first_guess(asked))


def first_guess(asked: Array) -> Array:
    """(16,) where the search starts: the human's own bending, joint by joint; the thumb's base at rest."""
    q, bone = asked["rest_rad"].copy().reshape(4, 4), asked["bone"]
    q[:THUMB, 1] = np.arctan2(bone[:THUMB, 0, 0], bone[:THUMB, 0, 2])
    q[:, 2:] = np.arccos(np.clip((bone[:, 1:] * bone[:, :-1]).sum(-1), -1, 1))
    guess: Array = q.reshape(16)
    return guess


def solve(body: Array, asked: Array, tuning: Tuning, start_rad: Array) -> tuple[Array, Array]:
    """Each finger alone; all together with soft links, then with firm ones; then out of collisions."""
    q = np.clip(start_rad, body["lower_rad"], body["upper_rad"])
    report = np.zeros(1, REPORT)[0]
    alone = [minimise(body, asked, range(f, f + 1), int(tuning.finger_steps), q)[0] for f in range(4)]
    soft = _changed(asked, pair_weight=tuning.soft_collision_weight)
    softly, _ = minimise(body, soft, range(4), int(tuning.soft_steps), q)
    firmly, report["cost_m2"] = minimise(body, asked, range(4), int(tuning.hand_steps), q)
    report["iterations"] = max(alone) + softly + firmly
    report["depth_m"], report["deepest_contact"] = deepest(body, q)
    report["depth_before_m"] = report["depth_m"]
    while report["projected"] < tuning.projections and report["depth_m"] > tuning.allowed_depth_m:
        minimise(body, _only_apart(asked, q, tuning), range(4), int(tuning.hand_steps), q)
        report["depth_m"], report["deepest_contact"] = deepest(body, q)
        report["projected"] += 1
    if report["depth_m"] > tuning.bound_depth_m:
        q = retreat(body, asked, tuning, q)
        report["depth_m"], report["deepest_contact"] = deepest(body, q)
        report["retreated"] = 1
    report["closest_m"], report["closest_pair"] = closest(body, q)
    report["tip_error_m"] = np.linalg.norm(Posture(body, q).tip_m - asked["tip_m"], axis=-1)
    return q, report


def retreat(body: Array, asked: Array, tuning: Tuning, q_rad: Array) -> Array:
    """Back towards the rest posture (16,), which touches nothing, just as far as the bound of depth needs."""
    near, far = 0.0, 1.0
    for _ in range(RETREAT_HALVINGS):
        share = (near + far) / 2
        if deepest(body, q_rad + share * (asked["rest_rad"] - q_rad))[0] > tuning.bound_depth_m:
            near = share
        else:
            far = share
    back: Array = q_rad + far * (asked["rest_rad"] - q_rad)
    return back


def minimise(body: Array, asked: Array, fingers: range, most: int, q_rad: Array) -> tuple[int, float]:
    """Move joints of `fingers` (16,) rad, in place, to where their cost is least; returns steps and cost (m^2)."""
    joints = slice(4 * fingers.start, 4 * fingers.stop)
    lower, upper = body["lower_rad"][joints], body["upper_rad"][joints]
    here, damping, taken = evaluate(body, asked, q_rad, fingers), FIRST_DAMPING_M2, 0
    while taken < most and damping < MOST_DAMPING_M2:
        taken += 1
        q, slope = q_rad[joints], here.gradient[joints]
        free = ~(((q <= lower) & (slope > 0)) | ((q >= upper) & (slope < 0)))
        step = _damped_step(here.curvature[joints, joints], slope, free, damping)
        candidate = q_rad.copy()
        candidate[joints] = np.clip(q + step, lower, upper)
        longest = np.abs(candidate - q_rad).max()
        there = evaluate(body, asked, candidate, fingers)
        gain = here.cost_m2 - there.cost_m2
        if gain >= 0:
            q_rad[:], here, damping = candidate, there, max(damping * LESS_DAMPING, LEAST_DAMPING_M2)
        else:
            damping *= MORE_DAMPING
        if longest < STEP_TOLERANCE_RAD or 0 <= gain < GAIN_TOLERANCE_M2:
            break
    return taken, here.cost_m2


def _damped_step(curvature: Array, gradient: Array, free: Array, damping: float) -> Array:
    """The step of the free joints by Cholesky's factorisation with the pivots' absolute values."""
    size = len(gradient)
    damped = np.where(free[:, None] & free, curvature + damping * np.eye(size), np.eye(size))
    factor = np.zeros((size, size))
    for i in range(size):
        pivot = np.sqrt(max(abs(damped[i, i] - factor[i, :i] @ factor[i, :i]), LEAST_PIVOT_M2))
        factor[i, i] = pivot
        factor[i + 1 :, i] = (damped[i + 1 :, i] - factor[i + 1 :, :i] @ factor[i, :i]) / pivot
    step: Array = -np.linalg.solve(factor.T, np.linalg.solve(factor, np.where(free, gradient, 0.0)))
    shortened: Array = step * (MAX_STEP_RAD / max(np.abs(step).max(), MAX_STEP_RAD))
    return shortened


def _only_apart(asked: Array, q_rad: Array, tuning: Tuning) -> Array:
    """The problem of leaving collisions of the real shapes by the smallest turn, with pinches kept."""
    none = dict.fromkeys(("tip_weight", "bone_weight_m", "pair_weight"), 0.0)
    return _changed(asked, **none, box_weight=tuning.box_weight, rest_rad=q_rad, rest_weight_m=tuning.turn_weight_m)


def _changed(asked: Array, **fields: Array | float) -> Array:
    changed: Array = asked.copy()
    for name, value in fields.items():
        changed[name] = value
    return changed
