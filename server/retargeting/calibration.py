"""An operator's hand measured against the robot's: one scale a finger, stored as JSON.

The scale of a finger is the robot's reach over the human's: wrist to fingertip, both stretched out. The human reach is
the 95th percentile over the trace, so a few wild frames do not count; the quality says how close to a straight finger
the operator ever came and how still the bones' lengths were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from server.retargeting.human_hand import BONE_JOINTS, TIP_JOINT, tracking_fault
from server.retargeting.retargeter import SCALE_RANGE
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import FINGERS, WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.kinematics import hand_posture
from skin_teleop.transforms import Array

REACH_PERCENTILE = 95.0
MIN_FRAMES = 30
"""Less than half a second of a tracked hand says little."""
GOOD_QUALITY = 0.6
_TIPS = np.array([TIP_JOINT[finger] for finger in FINGERS])
_BONES = np.array([BONE_JOINTS[finger] for finger in FINGERS])


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is stored of one operator; `scale` is in the order of `skin_teleop.hand.FINGERS`."""

    schema: Literal["skin_teleop.calibration/1"]
    operator: str
    hand_model: str
    scale: tuple[float, float, float, float]
    reach_m: tuple[float, float, float, float]
    """Human wrist to fingertip, stretched out."""
    quality: float
    """0 to 1: straightness of the straightest frames times steadiness of the bones."""
    frames: int

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def calibrate(keypoints_m: Array, model: HandModel, operator: str) -> Calibration:
    """Measure an operator on frames (T, 25, 3) m of an open hand; raises TraceError where too few are usable."""
    if not re.fullmatch(r"[\w.-]{1,64}", operator):
        raise ConfigError("an operator's name", found=repr(operator), allowed="letters, digits, dot, dash, underscore")
    good = np.array([frame for frame in keypoints_m if not tracking_fault(frame)], float)
    if len(good) < MIN_FRAMES:
        raise TraceError(
            "a calibration needs a tracked hand",
            found=f"{len(good)} usable of {len(keypoints_m)} frames",
            allowed=f"at least {MIN_FRAMES}",
            next_step="record two seconds with the hand open and in sight",
        )
    reach = np.percentile(np.linalg.norm(good[:, _TIPS] - good[:, :1], axis=-1), REACH_PERCENTILE, axis=0)
    scale = np.clip(robot_reach_m(model) / reach, *SCALE_RANGE)
    return Calibration(
        "skin_teleop.calibration/1",
        operator,
        model.name,
        tuple(round(float(s), 4) for s in scale),  # type: ignore[arg-type]
        tuple(round(float(r), 4) for r in reach),  # type: ignore[arg-type]
        round(_quality(good), 3),
        len(good),
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


def _quality(keypoints_m: Array) -> float:
    """Straight fingers: reach over the sum of the bones; steady bones: the spread of their lengths."""
    bones = np.linalg.norm(np.diff(keypoints_m[:, _BONES], axis=2), axis=-1)  # (T, 4, 3)
    stretch = np.linalg.norm(keypoints_m[:, _BONES[:, 3]] - keypoints_m[:, _BONES[:, 0]], axis=-1) / bones.sum(-1)
    straightness = np.percentile(stretch, REACH_PERCENTILE, axis=0).min()
    spread = (bones.std(0) / np.maximum(bones.mean(0), 1e-6)).max()
    return float(np.clip((straightness - 0.8) / 0.18, 0, 1) * np.clip(1 - 2 * spread, 0, 1))
