"""Numbers of the wire, V4 and V5: encoder counts to radians, torque to PWM or motor current, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skin_teleop.errors import DeviceError
from skin_teleop.hand import is_v4
from skin_teleop.transforms import Array

RAD_PER_COUNT = 333.3 / 65536 * np.pi / 180
"""V4: 8.8761e-5 rad. All 29 515 non-zero steps of simlabrobotics' recorded joint states are whole multiples of it."""
V5_RAD_PER_COUNT = 0.088 * np.pi / 180
"""1.5359e-3 rad (allegro_hand_ros_v5)."""
PWM_PER_NM = 1200.0
"""V4, hardware major version 4 at 12 V (allegro_hand_ros_v4). The older 8 V hardware 3 has 800."""
MILLIAMPERE_PER_NM = 1430.0
"""V5 (allegro_hand_ros_v5: torque times 1.43, times 1000)."""
MILLIAMPERE_LIMIT = 240
"""V5, every joint (allegro_hand_ros_v5)."""
GEARED_JOINTS, GEARING = (1, 5, 9), 2.0
"""V5 type B ("Plus"): gear 576.7:1 instead of 288.35:1 (V5 manual), so the same torque takes half the current.

The vendor's ROS 1 driver halves for type A; its ROS 2 driver, the gear ratio and an independent driver say B.
"""

_JOINT_PWM_LIMIT = np.array([375, 675, 450, 285] * 3 + [525, 405, 270, 270])
"""(16,) V4, largest PWM of every joint (allegro_hand_ros_v4)."""
_SUPPLY_PWM_LIMIT = 1200
"""V4, global limit at 12 V (allegro_hand_ros_v4)."""
_STRICTEST_SUPPLY_PWM_LIMIT = 500
"""The smallest global limit in the vendor's tables, that of a 24 V supply: safe whatever hand answers later."""


@dataclass(frozen=True, slots=True, eq=False)
class HandScale:
    """The wire of one kind of hand. Its torque unit is PWM counts on V4 and milliampere on V5."""

    rad_per_count: float
    range_rad: float
    """No encoder reports more than this, either way."""
    wire_per_nm: Array
    """(16,) torque units per Nm."""
    wire_limit: Array
    """(16,) largest absolute torque in its unit."""

    @property
    def torque_limit_nm(self) -> Array:
        """(16,) largest absolute torque, Nm."""
        return self.torque_from_wire(self.wire_limit)

    def radians_from_counts(self, counts: Array) -> Array:
        """Joint angles, rad, from encoder counts of any shape."""
        position_rad: Array = np.asarray(counts) * self.rad_per_count
        return position_rad

    def counts_from_radians(self, position_rad: Array) -> Array:
        """Encoder counts (int16, clipped to its range) from joint angles of any shape, rad."""
        return _int16(np.rint(np.asarray(position_rad) / self.rad_per_count))

    def wire_from_torque(self, torque_nm: Array) -> Array:
        """(16,) int16 torque units, clamped and rounded towards zero so that no limit is exceeded, from Nm."""
        return _int16(np.trunc(np.clip(torque_nm * self.wire_per_nm, -self.wire_limit, self.wire_limit)))

    def torque_from_wire(self, wire: Array) -> Array:
        """(16,) joint torques, Nm, from torque units."""
        torque_nm: Array = np.asarray(wire) / self.wire_per_nm
        return torque_nm


def _int16(values: Array) -> Array:
    clipped: Array = np.clip(values, -32768, 32767).astype(np.int16)
    return clipped


def hand_scale(model: str, hardware_version: int | None = None) -> HandScale:
    """The wire of a hand model; the strictest limits while its hardware version (major << 8 | minor) is unknown.

    Raises DeviceError when the version is not one of the model's, since its scales would differ.
    """
    if is_v4(model):
        return HandScale(RAD_PER_COUNT, 32768 * RAD_PER_COUNT, np.full(16, PWM_PER_NM), pwm_limit(hardware_version))
    if hardware_version is not None:
        _expect_major(5, "24 V", hardware_version)
    wire_per_nm = np.full(16, MILLIAMPERE_PER_NM)
    if model.endswith("_b"):
        wire_per_nm[list(GEARED_JOINTS)] /= GEARING
    return HandScale(V5_RAD_PER_COUNT, 2 * np.pi, wire_per_nm, np.full(16, MILLIAMPERE_LIMIT))


def pwm_limit(hardware_version: int | None) -> Array:
    """(16,) V4's largest absolute PWM for a hardware version (major << 8 | minor); None while it is unknown.

    Raises DeviceError for a hand that is not a V4, since its scales differ.
    """
    if hardware_version is not None:
        _expect_major(4, "12 V", hardware_version)
    supply = _STRICTEST_SUPPLY_PWM_LIMIT if hardware_version is None else _SUPPLY_PWM_LIMIT
    limit: Array = np.minimum(_JOINT_PWM_LIMIT, supply)
    return limit


def torque_limit_nm(hardware_version: int | None) -> Array:
    """(16,) V4's largest absolute torque, Nm: `pwm_limit` on the torque scale."""
    limit_nm: Array = pwm_limit(hardware_version) / PWM_PER_NM
    return limit_nm


def _expect_major(major: int, supply: str, hardware_version: int) -> None:
    if hardware_version >> 8 != major:
        raise DeviceError(
            f"an Allegro V{major} hand was expected",
            found=f"hardware version {hardware_version >> 8}.{hardware_version & 0xFF}",
            allowed=f"{major}.x, {supply}",
            next_step=f"connect a V{major} hand or set hand.model; the torque scale of other versions differs",
        )
