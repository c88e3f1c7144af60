"""Numbers of the V4 hand's wire: encoder counts to radians, torque to motor PWM, and the PWM limit of every joint."""

from __future__ import annotations

import numpy as np

from skin_teleop.errors import DeviceError
from skin_teleop.transforms import Array

RAD_PER_COUNT = 333.3 / 65536 * np.pi / 180
"""8.8761e-5 rad: all 29 515 non-zero steps of simlabrobotics' recorded joint states are whole multiples of it."""
ENCODER_RANGE_RAD = 32768 * RAD_PER_COUNT
PWM_PER_NM = 1200.0
"""Hardware major version 4 at 12 V (allegro_hand_ros_v4). The older 8 V hardware 3 has 800."""

_JOINT_PWM_LIMIT = np.array([375, 675, 450, 285] * 3 + [525, 405, 270, 270])
"""(16,) largest PWM of every joint (allegro_hand_ros_v4)."""
_SUPPLY_PWM_LIMIT = 1200
"""Global limit at 12 V (allegro_hand_ros_v4)."""
_STRICTEST_SUPPLY_PWM_LIMIT = 500
"""The smallest global limit in the vendor's tables, that of a 24 V supply: safe whatever hand answers later."""


def radians_from_counts(counts: Array) -> Array:
    """Joint angles, rad, from encoder counts of any shape. V4 hands report calibrated angles: no offset applies."""
    position_rad: Array = np.asarray(counts) * RAD_PER_COUNT
    return position_rad


def counts_from_radians(position_rad: Array) -> Array:
    """Encoder counts (int16, clipped to its range) from joint angles of any shape, rad."""
    counts: Array = np.clip(np.rint(np.asarray(position_rad) / RAD_PER_COUNT), -32768, 32767).astype(np.int16)
    return counts


def pwm_from_torque(torque_nm: Array) -> Array:
    """Motor PWM (int16, towards zero so that no limit is exceeded) from joint torques of any shape, Nm."""
    pwm: Array = np.clip(np.trunc(np.asarray(torque_nm) * PWM_PER_NM), -32768, 32767).astype(np.int16)
    return pwm


def torque_from_pwm(pwm: Array) -> Array:
    """Joint torques, Nm, from motor PWM of any shape."""
    torque_nm: Array = np.asarray(pwm) / PWM_PER_NM
    return torque_nm


def pwm_limit(hardware_version: int | None) -> Array:
    """(16,) largest absolute PWM for a hardware version (major << 8 | minor); None while it is unknown.

    Raises DeviceError for a hand that is not a V4, since its scales differ.
    """
    if hardware_version is not None and hardware_version >> 8 != 4:
        raise DeviceError(
            "an Allegro V4 hand was expected",
            found=f"hardware version {hardware_version >> 8}.{hardware_version & 0xFF}",
            allowed="4.x, 12 V",
            next_step="connect a V4 hand; the torque scale of other versions differs",
        )
    supply = _STRICTEST_SUPPLY_PWM_LIMIT if hardware_version is None else _SUPPLY_PWM_LIMIT
    limit: Array = np.minimum(_JOINT_PWM_LIMIT, supply)
    return limit


def torque_limit_nm(hardware_version: int | None) -> Array:
    """(16,) largest absolute torque, Nm: `pwm_limit` on the torque scale."""
    return torque_from_pwm(pwm_limit(hardware_version))
