"""The hand's CAN link: events of the codec in and out over a python-can bus, with stamps and counters."""

from __future__ import annotations

import logging
import time
from typing import Any

import can

from drivers.allegro.codec import HandEvent, HandEvents, HostEvent, decode, encode
from skin_teleop.clock import NS_PER_MS, mono_ns
from skin_teleop.errors import DeviceError, WireError
from skin_teleop.rig import HandConfig

RECEIVE_STAMPED = ("socketcan", "udp_multicast", "skin_teleop_local")
"""Interfaces whose `timestamp` is CLOCK_REALTIME at arrival (kernel SO_TIMESTAMPNS; the local bus: at sending)."""
MAX_STAMP_AGE_NS = 50 * NS_PER_MS
"""An older or future stamp means that the wall clock was stepped meanwhile: then the moment of reading counts."""
PAIRING_ATTEMPTS, PAIRING_SPREAD_NS = 3, 10_000
RECEIVE_ERROR_PAUSE_S = 0.02
MAX_RECEIVE_ERRORS = 100
"""Failed reads in a row (2 s with the pause) after which the interface counts as gone."""

log = logging.getLogger(__name__)


def open_bus(config: HandConfig) -> can.BusABC:
    """Open the hand's CAN bus by its python-can interface name; raises DeviceError that says how to bring it up."""
    options: dict[str, Any] = (
        {"hop_limit": 0} if config.can_interface == "udp_multicast" else {}
    )  # no frame leaves this machine
    try:
        return can.Bus(interface=config.can_interface, channel=config.can_channel, bitrate=config.bitrate, **options)
    except DeviceError:
        raise
    except (can.CanError, OSError, ValueError, ImportError) as error:
        raise DeviceError(
            f"cannot open CAN channel {config.can_channel!r} of interface {config.can_interface!r}",
            found=str(error),
            allowed=f"an interface that is up at {config.bitrate} bit/s",
            next_step=f"ip link set {config.can_channel} up type can bitrate {config.bitrate} restart-ms 100",
        ) from error


class HandLink:
    """Sends host events and receives hand events; what goes wrong on the wire is counted, never raised.

    The one exception: `receive` raises DeviceError when the interface has gone away.
    """

    def __init__(self, bus: can.BusABC, config: HandConfig) -> None:
        self._bus = bus
        self._device_id = config.device_id
        self._channel = config.can_channel
        self._trust_stamps = config.can_interface in RECEIVE_STAMPED
        self._receive_errors_in_a_row = 0
        self._arrived_ns = 0
        self.send_errors = 0
        """Frames the bus did not take, e.g. ENOBUFS because nobody acknowledges."""
        self.malformed = 0
        """Frames with a known id and a wrong length."""

    def send(self, *events: HostEvent) -> None:
        """Send events in order; each is tried even when one before it failed."""
        for event in events:
            frame = encode(event, self._device_id)
            try:
                self._bus.send(
                    can.Message(
                        arbitration_id=frame.id,
                        data=frame.data,
                        is_remote_frame=frame.is_remote,
                        is_extended_id=False,
                    )
                )
            except (can.CanError, OSError) as error:
                self.send_errors += 1
                if self.send_errors == 1:
                    log.warning("CAN frame not sent (from now on only counted): %s", error)

    def receive(self, timeout_s: float) -> tuple[HandEvent | None, int]:
        """The next frame, as an event of the hand or None for anything else, and its arrival (monotonic ns).

        Returns (None, 0) after the timeout.
        """
        message = self._read(timeout_s)
        if message is None:
            return None, 0
        received_ns = self._arrival_ns(message)
        if message.is_error_frame or message.is_extended_id:
            return None, received_ns
        try:
            event = decode(message.arbitration_id, bytes(message.data), message.is_remote_frame, self._device_id)
        except WireError as error:
            self.malformed += 1
            log.debug("frame 0x%03X ignored: %s", message.arbitration_id, error)
            return None, received_ns
        # Loop-backs of own frames and a second host's commands decode too, but are none of a hand's events.
        return (event if isinstance(event, HandEvents) else None), received_ns

    def drain(self, frames: int) -> None:
        """Throw away up to this many frames that wait in the receive queue."""
        for _ in range(frames):
            if self._read(0.0) is None:
                return

    def _read(self, timeout_s: float) -> can.Message | None:
        try:
            message = self._bus.recv(timeout_s)
        except (can.CanError, OSError) as error:
            self._receive_errors_in_a_row += 1
            if self._receive_errors_in_a_row >= MAX_RECEIVE_ERRORS:
                raise DeviceError(
                    f"CAN channel {self._channel!r} has gone away",
                    found=str(error),
                    next_step=f"plug the adapter in again and check: ip -details link show {self._channel}",
                ) from error
            time.sleep(RECEIVE_ERROR_PAUSE_S)
            return None
        self._receive_errors_in_a_row = 0
        return message

    def _arrival_ns(self, message: can.Message) -> int:
        """Arrival on the monotonic clock, from the bus's wall-clock stamp and a paired reading of both clocks."""
        if not self._trust_stamps:
            return mono_ns()
        now_ns, wall_ns = _paired_clocks()
        age_ns = wall_ns - round(message.timestamp * 1e9)
        arrived_ns = now_ns - age_ns if 0 <= age_ns <= MAX_STAMP_AGE_NS else now_ns
        self._arrived_ns = max(self._arrived_ns + 1, arrived_ns)  # frames of a bus follow one another
        return self._arrived_ns


def _paired_clocks() -> tuple[int, int]:
    """Monotonic and wall clock at one moment, ns; read again when this thread was interrupted in between."""
    for _ in range(PAIRING_ATTEMPTS):
        before_ns, wall_ns, after_ns = mono_ns(), time.time_ns(), mono_ns()
        if after_ns - before_ns <= PAIRING_SPREAD_NS:
            break
    return after_ns, wall_ns
