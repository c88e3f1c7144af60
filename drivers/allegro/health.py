"""What the hand says about itself: temperatures, status byte, versions; asked for once a second."""

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
    TemperatureRequest,
)
from skin_teleop.messages import N_JOINTS
from skin_teleop.transforms import Array

HEALTH_REQUESTS: tuple[HostEvent, ...] = (InfoRequest(), *(TemperatureRequest(f) for f in range(N_FINGERS)))
FAULT_BITS = (
    HandStatus.JOINT_TEMPERATURE_FAULT | HandStatus.JOINT_COMMUNICATION_TIMEOUT | HandStatus.PALM_TEMPERATURE_FAULT
)
"""Conditions under which the hand must not be driven; temperature throttle alone is no fault."""

log = logging.getLogger(__name__)


class HealthMonitor:
    """Collects the hand's slow reports."""

    def __init__(self) -> None:
        self.temperature_c: Array = np.full(N_JOINTS, np.nan)
        """(16,) degC, NaN until reported."""
        self.status = HandStatus(0)

    def hear(self, event: HandEvent) -> str | None:
        """Take a report; returns the names of the faults that it tells of, or None."""
        if isinstance(event, FingerTemperature):
            self.temperature_c[4 * event.finger : 4 * event.finger + 4] = event.celsius
        if not isinstance(event, HandInfo):
            return None
        if event.status != self.status:
            log.info("hand status is now 0x%02X: %s", event.status, event.status.name or "nothing set")
        self.status = event.status
        faults = event.status & FAULT_BITS
        return (faults.name or hex(faults)) if faults else None
