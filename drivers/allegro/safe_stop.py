"""Leave the hand without power: the last frames of every exit, sent by the node or, after its death, from outside.

The V5 hand latches its last current when the host goes silent, and no watchdog is known in the V4 hand, so these
frames are the only thing that ends a torque. The order is digit-plexus': zero torque, servo off, streaming off.
"""

from __future__ import annotations

import logging

import can

from drivers.allegro.codec import N_FINGERS, FingerTorque, HostEvent, Servo, SetPeriod, encode
from drivers.allegro.link import open_bus

__all__ = ["NO_TORQUE", "POWER_OFF", "STOP_FRAMES", "open_bus", "safe_stop"]

NO_TORQUE: tuple[HostEvent, ...] = tuple(FingerTorque(f, (0, 0, 0, 0)) for f in range(N_FINGERS))
POWER_OFF: tuple[HostEvent, ...] = (*NO_TORQUE, Servo(False))
"""Zero torque on every finger, then servo off; the hand keeps streaming."""
STOP_FRAMES: tuple[HostEvent, ...] = (*POWER_OFF, SetPeriod(0))

log = logging.getLogger(__name__)


def safe_stop(bus: can.BusABC, device_id: int) -> int:
    """Send the stop frames, each of them even when another fails; returns how many the bus took (6 is all)."""
    sent = 0
    for event in STOP_FRAMES:
        frame = encode(event, device_id)
        try:
            bus.send(can.Message(arbitration_id=frame.id, data=frame.data, is_extended_id=False))
            sent += 1
        except (can.CanError, OSError) as error:
            log.error("stop frame %s not sent: %s", event, error)
    return sent
