"""An operator's hand measured against the robot's: one scale a finger and how near touching fingers look, as JSON.

A finger's scale is the robot's reach over the human's: wrist to fingertip, both stretched out. The human reach is the
95th percentile over the open hand, so a few wild frames do not count. The thumb's scale is less than that of its
stretched length, which points where no human thumb points: it is the one that brings thumb and fingers together best
in the operator's own touches, else a usual share. Trackers put touching fingertips 5 to 25 mm apart, differently for
each hand: how far in this operator's touches decides from where on the robot's tips meet.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from server.retargeting.hand_body import THUMB
from server.retargeting.human_hand import BONE_JOINTS, TIP_JOINT, tracking_fault
from server.retargeting.retargeter import SCALE_RANGE
from server.retargeting.tuning import Tuning
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import FINGERS, TIP_RADIUS_M, WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.kinematics import hand_posture
from skin_teleop.transforms import Array

Segment = Literal["open", "fist", "touch_index", "touch_middle", "touch_ring"]
"""What the operator is asked to do; frames (T, 25, 3) m of each, in any wrist frame."""
TOUCHES: tuple[Segment, ...] = ("touch_index", "touch_middle", "touch_ring")

REACH_PERCENTILE = 95.0
MIN_FRAMES = 30
"""Less than half a second of a tracked hand says little."""
GOOD_QUALITY = 0.6
THUMB_SHARE, THUMB_SHARES = 0.85, (0.75, 1.0)
"""Of the stretched thumb's scale: without touches, and the range that touches choose from. Over nine tuning recordings
the fingertip error was 12.9 mm at 1.0, 10.8 at 0.9, 10.4 at 0.85 with the least direction error."""
THUMB_LEVER_M = 0.3
"""A share 0.1 from the usual one counts as much as touches that miss by 3 cm."""
TOUCH_SEEN_M = 0.02
"""In a trace without marks, fingertips nearer than this are touching (15 mm is the usual bound of a pinch)."""
MAX_TOUCH_M = 0.03
"""A touch held farther apart than this was not one."""
TOUCH_MARGIN_M = 0.004
CLOSED_FIST = 0.75
"""A fist brings the fingertips nearer to the wrist than this share of the open hand's reach."""
OPEN_FIST_QUALITY = 0.5
"""Factor of the quality where it does not: the tracker loses curled fingers, or the operator did something else."""
_TIPS = np.array([TIP_JOINT[finger] for finger in FINGERS])
_BONES = np.array([BONE_JOINTS[finger] for finger in FINGERS])


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is stored of one operator; `scale` is in the order of `skin_teleop.hand.FINGERS`."""

    schema: Literal["skin_teleop.calibration/1", "skin_teleop.calibration/2"]
    """Version 1 knew no touches."""
    operator: str
    hand_model: str
    scale: tuple[float, float, float, float]
    reach_m: tuple[float, float, float, float]
    """Human wrist to fingertip, stretched out."""
    quality: float
    """0 to 1: straightness of the straightest frames times steadiness of the bones, half where a fist stays open."""
    frames: int
    """Usable ones of the open hand."""
    touch_m: tuple[float | None, float | None, float | None] = (None, None, None)
    """Tracked distance between the thumb's and each finger's tip while they touch; null where none was seen."""

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def tuning(self) -> Tuning:
        """The usual weights, with tips that meet at this operator's touches; never later than the usual ones."""
        usual = Tuning()
        seen = [touch for touch in self.touch_m if touch is not None]
        near_m = max([usual.pinch_near_m, *(touch + TOUCH_MARGIN_M for touch in seen)])
        return dataclasses.replace(usual, pinch_near_m=near_m)


def calibrate(keypoints_m: Array, model: HandModel, operator: str) -> Calibration:
    """Measure an operator on frames (T, 25, 3) m of an open hand, with or without touches among them."""
    distance = _thumb_distances_m(keypoints_m)
    near = (distance < TOUCH_SEEN_M) & (distance == distance.min(-1, keepdims=True))
    segments: dict[Segment, Array] = {"open": keypoints_m}
    segments.update((name, keypoints_m[near[:, finger]]) for finger, name in enumerate(TOUCHES))
    return calibrate_segments(segments, model, operator)


def calibrate_segments(segments: Mapping[Segment, Array], model: HandModel, operator: str) -> Calibration:
    """Measure an operator on labelled parts of a guided calibration; only `open` must be there.

    Raises TraceError where too few frames of the open hand are usable, ConfigError for an odd name.
    """
    if not re.fullmatch(r"[\w.-]{1,64}", operator):
        raise ConfigError("an operator's name", found=repr(operator), allowed="letters, digits, dot, dash, underscore")
    good = {label: _usable(frames) for label, frames in segments.items()}
    open_hand = good.get("open", np.zeros((0, 25, 3)))
    if len(open_hand) < MIN_FRAMES:
        raise TraceError(
            "a calibration needs a tracked hand",
            found=f"{len(open_hand)} usable of {len(segments.get('open', ()))} frames",
            allowed=f"at least {MIN_FRAMES}",
            next_step="record two seconds with the hand open and in sight",
        )
    reach = np.percentile(_reach_m(open_hand), REACH_PERCENTILE, axis=0)
    touches = [good[name] if name in good else open_hand[:0] for name in TOUCHES]
    touch_m = [_touch_m(frames, f) for f, frames in enumerate(touches)]
    touches = [frames if held is not None else frames[:0] for frames, held in zip(touches, touch_m)]
    scale = np.clip(_with_thumb(robot_reach_m(model) / reach, touches), *SCALE_RANGE)
    quality = _quality(open_hand) * (1.0 if _closed(good.get("fist", open_hand[:0]), reach) else OPEN_FIST_QUALITY)
    return Calibration(
        "skin_teleop.calibration/2",
        operator,
        model.name,
        tuple(round(float(s), 4) for s in scale),  # type: ignore[arg-type]
        tuple(round(float(r), 4) for r in reach),  # type: ignore[arg-type]
        round(quality, 3),
        len(open_hand),
        tuple(None if touch is None else round(touch, 4) for touch in touch_m),  # type: ignore[arg-type]
    )


def load_calibration(path: Path) -> Calibration:
    """Read a stored calibration; raises ConfigError that says what is wrong with it."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"the calibration {path} was asked for",
            found=str(error),
            next_step="skin-teleop calibrate TRACE --out FILE",
        ) from error
    if not all(SCALE_RANGE[0] <= scale <= SCALE_RANGE[1] for scale in stored.scale):
        raise ConfigError(f"the calibration {path}: scale", found=str(stored.scale), allowed=str(SCALE_RANGE))
    return stored


def robot_reach_m(model: HandModel) -> Array:
    """(4,) wrist to fingertip of the robot with every joint at or next to 0."""
    straight = np.clip(np.zeros(16), model.lower_rad, model.upper_rad)
    tips = hand_posture(model, straight).tip_position_m + np.array([0.0, 0.0, WRIST_TO_PALM_Z_M])
    reach: Array = np.linalg.norm(tips, axis=-1)
    return reach


def _usable(keypoints_m: Array) -> Array:
    return np.array([frame for frame in keypoints_m if not tracking_fault(frame)], float).reshape(-1, 25, 3)


def _reach_m(keypoints_m: Array) -> Array:
    return np.linalg.norm(keypoints_m[:, _TIPS] - keypoints_m[:, :1], axis=-1)  # type: ignore[no-any-return]


def _closed(fist_m: Array, reach_m: Array) -> bool:
    """Whether the more closed quarter of a fist (T, 25, 3) is one; True without frames."""
    if not len(fist_m):
        return True
    curled = np.percentile(_reach_m(fist_m), 25, axis=0)
    return bool((curled < CLOSED_FIST * reach_m)[:THUMB].all())


def _thumb_distances_m(keypoints_m: Array) -> Array:
    tips = np.asarray(keypoints_m)[:, _TIPS]
    return np.linalg.norm(tips[:, :THUMB] - tips[:, THUMB:], axis=-1)  # type: ignore[no-any-return]


def _touch_m(keypoints_m: Array, finger: int) -> float | None:
    """Distance of thumb and finger over the nearer half of a touch, which leaves coming and going out."""
    if not len(keypoints_m):
        return None
    held = float(np.percentile(_thumb_distances_m(keypoints_m)[:, finger], 50))
    return held if held <= MAX_TOUCH_M else None


def _with_thumb(stretched: Array, touches: list[Array]) -> Array:
    """Scales (4,) with the thumb's share that brings the scaled tips of all touches nearest to contact."""
    shares = np.linspace(*THUMB_SHARES, 51)
    misses = np.square(THUMB_LEVER_M * (shares - THUMB_SHARE))
    for finger, frames in enumerate(touches):
        tips = frames[:, _TIPS] - frames[:, :1]
        thumbs = tips[:, THUMB] * (shares[:, None, None] * stretched[THUMB])  # (shares, T, 3)
        apart = np.linalg.norm(tips[:, finger] * stretched[finger] - thumbs, axis=-1)
        misses += np.square(apart - 2 * TIP_RADIUS_M).mean(-1) if len(frames) else 0.0
    scales: Array = stretched * np.where(np.arange(4) == THUMB, shares[misses.argmin()], 1.0)
    return scales


def _quality(keypoints_m: Array) -> float:
    """Straight fingers: reach over the sum of the bones; steady bones: the spread of their lengths."""
    bones = np.linalg.norm(np.diff(keypoints_m[:, _BONES], axis=2), axis=-1)  # (T, 4, 3)
    stretch = np.linalg.norm(keypoints_m[:, _BONES[:, 3]] - keypoints_m[:, _BONES[:, 0]], axis=-1) / bones.sum(-1)
    straightness = np.percentile(stretch, REACH_PERCENTILE, axis=0).min()
    spread = (bones.std(0) / np.maximum(bones.mean(0), 1e-6)).max()
    return float(np.clip((straightness - 0.8) / 0.18, 0, 1) * np.clip(1 - 2 * spread, 0, 1))
