"""Leave the hand without power: the last frames of every exit, sent by the node or, after its death, from outside.

The V5 hand latches its last current when the host goes silent, and no watchdog is known in the V4 hand, so these
frames are the only thing that ends a torque. The order is digit-plexus': zero torque, servo off, streaming off.
"""

from __future__ import annotations

import contextlib
import logging
import time

import can

from drivers.allegro.codec import N_FINGERS, FingerTorque, HostEvent, Servo, SetPeriod, encode
from drivers.allegro.link import open_bus
from skin_teleop.errors import DeviceError
from skin_teleop.rig import HandConfig

NO_TORQUE: tuple[HostEvent, ...] = tuple(FingerTorque(f, (0, 0, 0, 0)) for f in range(N_FINGERS))
POWER_OFF: tuple[HostEvent, ...] = (*NO_TORQUE, Servo(False))
"""Zero torque on every finger, then servo off; the hand keeps streaming."""
STOP_FRAMES: tuple[HostEvent, ...] = (*POWER_OFF, SetPeriod(0))
TRY_AGAIN_S = 0.001
"""A full transmit queue has room again after one frame, 0.13 ms at 1 Mbit/s."""
TRY_FOR_S = 0.05
"""How long each frame is offered: 0.3 s for all where the bus takes nothing, up to 0.5 s on a serial line, whose last
offer of each frame may itself wait for `can_open.SEND_TIMEOUT_S`.
"""

log = logging.getLogger(__name__)


def safe_stop(bus: can.BusABC, device_id: int) -> int:
    """Send the stop frames, each of them even when another fails; returns how many the bus took (6 is all).

    One that is refused, as by a full queue, is offered again until `TRY_FOR_S` is over.
    """
    return sum(_insist(bus, event, device_id) for event in STOP_FRAMES)


def _insist(bus: can.BusABC, event: HostEvent, device_id: int) -> bool:
    frame = encode(event, device_id)
    message = can.Message(arbitration_id=frame.id, data=frame.data, is_extended_id=False)
    give_up_s = time.monotonic() + TRY_FOR_S
    while True:
        try:
            bus.send(message)
            return True
        except (can.CanError, OSError) as error:
            if time.monotonic() >= give_up_s:
                log.error("stop frame %s not sent: %s", event, error)
                return False
        time.sleep(TRY_AGAIN_S)


def require_all(sent: int, config: HandConfig) -> None:
    """Raise DeviceError unless the bus took every stop frame."""
    if sent < len(STOP_FRAMES):
        raise DeviceError(
            f"hand {config.name} should be left without power",
            found=f"{config.can_channel!r} took {sent} of {len(STOP_FRAMES)} stop frames",
            next_step="cut the hand's power, then check the CAN cable and: skin-teleop doctor",
        )


def leave(bus: can.BusABC) -> None:
    """Shut a bus down after the last frame; one that has gone away meanwhile must not hide what went wrong before."""
    with contextlib.suppress(can.CanError, OSError):
        bus.shutdown()


def stop_from_outside(config: HandConfig) -> None:
    """Send the stop frames in the place of a node that cannot; raises DeviceError unless the bus took them all."""
    bus = open_bus(config)
    try:
        require_all(safe_stop(bus, config.device_id), config)
    finally:
        leave(bus)
