"""How well robot joints follow human hands: the measures of `bench retarget`, each a plain function of arrays.

h is a human and r a robot vector wrist to fingertip in the operator frame, (T, 4, 3) m, fingers as in
`skin_teleop.hand.FINGERS`. Motion preservation and pinch correspondence are those of GeoRT (Yin et al. 2025).
"""

from __future__ import annotations

import numpy as np

from server.retargeting.hand_body import THUMB
from server.retargeting.human_hand import TIP_JOINT, WEBXR_WRIST_TO_OPERATOR
from skin_teleop.hand import FINGERS, TIP_RADIUS_M, WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.kinematics import hand_posture
from skin_teleop.transforms import Array

PINCH_M, FALSE_PINCH_HUMAN_M = 0.015, 0.040
MOVING_M, STILL_M = 0.0005, 0.0003
JUMP_RAD = 0.5
MAX_LAG_FRAMES = 15
LIMIT_TOLERANCE_RAD = 1e-6
"""Rounding of float32 limits; dex-retargeting passes limits by 1e-3 rad."""
_TIPS = np.array([TIP_JOINT[finger] for finger in FINGERS])


def human_tips_m(keypoints_m: Array) -> Array:
    """h of frames (T, 25, 3) m in the wrist frame of a right hand."""
    tips: Array = (keypoints_m[:, _TIPS] - keypoints_m[:, :1]) @ WEBXR_WRIST_TO_OPERATOR.T
    return tips


def robot_tips_m(model: HandModel, q_rad: Array) -> Array:
    """r of joints (T, 16) rad."""
    tips: Array = hand_posture(model, q_rad).tip_position_m + np.array([0.0, 0.0, WRIST_TO_PALM_Z_M])
    return tips


def tip_error_human_mm(h: Array, r: Array, scale: Array) -> float:
    """Mean of |r - s h| / s, mm: comparable across scales (4,)."""
    error = np.linalg.norm(r - h * scale[:, None], axis=-1) / scale
    return float(1000 * error.mean())


def direction_deg(h: Array, r: Array) -> float:
    """Mean angle between r and h, degrees."""
    cosine = (h * r).sum(-1) / (np.linalg.norm(h, axis=-1) * np.linalg.norm(r, axis=-1))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def motion_cos(h: Array, r: Array) -> float:
    """Mean cosine between the movements of both in one frame, where the human moves more than 0.5 mm; NaN for none."""
    dh, dr = np.diff(h, axis=0), np.diff(r, axis=0)
    lengths = np.linalg.norm(dh, axis=-1), np.linalg.norm(dr, axis=-1)
    moving = lengths[0] > MOVING_M
    if not moving.any():
        return float("nan")
    return float(((dh * dr).sum(-1)[moving] / np.maximum((lengths[0] * lengths[1])[moving], 1e-12)).mean())


def pinch_gaps_mm(h: Array, r: Array) -> Array:
    """Gap between the tips' surfaces in every human pinch (thumb-tip distance under 15 mm), mm."""
    gaps: Array = 1000 * (_to_thumb(r) - 2 * TIP_RADIUS_M)[_to_thumb(h) < PINCH_M]
    return gaps


def false_pinch_share(h: Array, r: Array) -> float:
    """Share of frames where the robot's tips touch while the human's are more than 40 mm apart."""
    return float(((_to_thumb(r) < 2 * TIP_RADIUS_M) & (_to_thumb(h) > FALSE_PINCH_HUMAN_M)).any(-1).mean())


def limit_violation_share(model: HandModel, q_rad: Array) -> float:
    """Share of frames with a joint outside the limits."""
    below, above = model.lower_rad - q_rad, q_rad - model.upper_rad
    return float((np.maximum(below, above) > LIMIT_TOLERANCE_RAD).any(-1).mean())


def repeatability_rad_p95(forward_rad: Array, backward_rad: Array) -> float:
    """95th percentile over frames of the worst joint's difference between both directions of play."""
    return float(np.percentile(np.abs(forward_rad - backward_rad).max(-1), 95))


def jump_count(q_rad: Array) -> int:
    """Frames in which a joint turns by more than 0.5 rad."""
    return int((np.abs(np.diff(q_rad, axis=0)).max(-1) > JUMP_RAD).sum())


def lag_frames(h: Array, r: Array) -> int:
    """Shift of 0 to 15 frames with the highest correlation of the index fingertip's height."""
    human, robot = h[:, 0, 2], r[:, 0, 2]
    shifts = range(min(MAX_LAG_FRAMES, len(human) - 3) + 1)
    return int(np.argmax([_correlation(human[: len(human) - shift], robot[shift:]) for shift in shifts]))


def jitter_rad(h: Array, q_rad: Array) -> float:
    """RMS change of the joints in frames where no human fingertip moves more than 0.3 mm; NaN for none."""
    still = np.linalg.norm(np.diff(h, axis=0), axis=-1).max(-1) < STILL_M
    return float(np.sqrt(np.square(np.diff(q_rad, axis=0)[still]).mean())) if still.any() else float("nan")


def _to_thumb(tips_m: Array) -> Array:
    return np.linalg.norm(tips_m[:, :THUMB] - tips_m[:, THUMB:], axis=-1)  # type: ignore[no-any-return]


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-12))
