"""Zero offsets and joint limits of single hands, by serial number, in one TOML file.

    ["5TBR0017"]
    zero_offset_rad = [0.0, ...]   # 16 values: what the hand reports at the model's zero pose
    lower_rad = [-0.3, ...]        # optional, 16 values, after the offset
    upper_rad = [0.3, ...]         # optional

Needed on V5, whose encoder zero varies: a real unit measured its thumb joint 1 at 1.36 to 3.34 rad (public tests of a
V5 driver), where the model says 0 to 1.78.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from skin_teleop.errors import ConfigError
from skin_teleop.hand import HandModel
from skin_teleop.messages import N_JOINTS
from skin_teleop.transforms import Array

_Joints = list[float]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    zero_offset_rad: _Joints = msgspec.field(default_factory=lambda: [0.0] * N_JOINTS)
    lower_rad: _Joints | None = None
    upper_rad: _Joints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HandCalibration:
    """What one hand's encoders need: angle = reported angle - zero offset, and the limits that hold for it."""

    zero_offset_rad: Array
    """(16,) rad."""
    model: HandModel
    """The table with this hand's own limits."""


def hand_calibration(file: str, serial: str, model: HandModel) -> HandCalibration:
    """A hand's entry in a calibration file; without a file ("") the model as it is.

    Raises ConfigError when the file cannot be read, lacks the serial number or has impossible values.
    """
    if not file:
        return HandCalibration(np.zeros(N_JOINTS), model)
    entries = _read(file)
    if serial not in entries:
        raise ConfigError(
            f"hand.calibration_file {file} should have the hand that answers",
            found=f"serial number {serial!r}",
            allowed=", ".join(entries) or "the file is empty",
            next_step=f'measure this hand and add a table ["{serial}"]',
        )
    entry = entries[serial]
    offset = _sixteen(file, serial, "zero_offset_rad", entry.zero_offset_rad)
    lower = model.lower_rad if entry.lower_rad is None else _sixteen(file, serial, "lower_rad", entry.lower_rad)
    upper = model.upper_rad if entry.upper_rad is None else _sixteen(file, serial, "upper_rad", entry.upper_rad)
    if not (lower < upper).all():
        joint = int(np.argmin(lower < upper))
        raise ConfigError(f"{file}: limits of {serial}, joint {joint}", found=f"{lower[joint]} to {upper[joint]} rad")
    return HandCalibration(offset, dataclasses.replace(model, lower_rad=lower, upper_rad=upper))


def _read(file: str) -> dict[str, _Entry]:
    try:
        return msgspec.toml.decode(Path(file).read_text(), type=dict[str, _Entry])
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise ConfigError(f"hand.calibration_file {file}", found=str(error)) from error


def _sixteen(file: str, serial: str, key: str, values: _Joints) -> Array:
    joints = np.array(values, float)
    if joints.shape != (N_JOINTS,) or not np.isfinite(joints).all():
        raise ConfigError(f"{file}: {key} of {serial}", found=f"{values}", allowed=f"{N_JOINTS} finite numbers, rad")
    return joints
