"""What the hand says about itself: temperatures, pressure, status byte, versions; asked for once a second."""

from __future__ import annotations

import logging

import numpy as np

from drivers.allegro.codec import (
    N_FINGERS,
    FingerTemperature,
    HandEvent,
    HandInfo,
    HandStatus,
    HostEvent,
    InfoRequest,
    MotorError,
    TemperatureRequest,
    TipPressure,
)
from skin_teleop.messages import N_JOINTS
from skin_teleop.rig import HandConfig
from skin_teleop.transforms import Array

HEALTH_REQUESTS: tuple[HostEvent, ...] = (InfoRequest(), *(TemperatureRequest(f) for f in range(N_FINGERS)))
FAULT_BITS = (
    HandStatus.JOINT_TEMPERATURE_FAULT | HandStatus.JOINT_COMMUNICATION_TIMEOUT | HandStatus.PALM_TEMPERATURE_FAULT
)
"""Conditions under which the hand must not be driven; temperature throttle alone is no fault."""
HIGHEST_PLAUSIBLE_C = 150
"""A real V4 reported 246 degC on one joint (digit-plexus candump): a broken sensor or -10, never a temperature."""
HIGHEST_PASCAL = 5000
"""The vendor's V5 drivers read values below 0 and above this as no pressure."""

log = logging.getLogger(__name__)


class HealthMonitor:
    """Collects the hand's slow reports and judges its temperatures."""

    def __init__(self, config: HandConfig) -> None:
        self._throttle_above_c, self._shut_off_above_c = config.throttle_above_c, config.shut_off_above_c
        self.temperature_c: Array = np.full(N_JOINTS, np.nan)
        """(16,) degC as reported, NaN until then."""
        self.pressure_pa: Array = np.full(N_FINGERS, np.nan)
        """(4,) fingertip pressure of a V5, Pa, NaN where none is reported."""
        self.status = HandStatus(0)
        self.torque_share = 1.0
        """1 while every joint is cool, falling to 0 from the throttle to the shut-off temperature."""

    def _hottest_c(self) -> float:
        plausible = self.temperature_c[self.temperature_c <= HIGHEST_PLAUSIBLE_C]
        return float(plausible.max(initial=0.0))

    def hear(self, event: HandEvent) -> str | None:
        """Take a report; returns what is at fault in words, or None."""
        match event:
            case FingerTemperature(finger, celsius):
                self.temperature_c[4 * finger : 4 * finger + 4] = celsius
                return self._too_hot()
            case TipPressure(pair, pascal):
                self.pressure_pa[2 * pair : 2 * pair + 2] = [p if 0 <= p <= HIGHEST_PASCAL else 0 for p in pascal]
            case MotorError(motor, faults) if faults:
                return f"motor {motor}: {faults.name or hex(faults)}"
            case HandInfo():
                return self._status_fault(event.status)
        return None

    def _too_hot(self) -> str | None:
        hottest_c = self._hottest_c()
        span_c = self._shut_off_above_c - self._throttle_above_c
        self.torque_share = min(max((self._shut_off_above_c - hottest_c) / span_c, 0.0), 1.0)
        return f"{hottest_c:.0f} degC at a joint" if hottest_c > self._shut_off_above_c else None

    def _status_fault(self, status: HandStatus) -> str | None:
        if status != self.status:
            log.info("hand status is now 0x%02X: %s", status, status.name or "nothing set")
        self.status = status
        faults = status & FAULT_BITS
        return (faults.name or hex(faults)) if faults else None
