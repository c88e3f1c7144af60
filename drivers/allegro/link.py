"""The hand's CAN link: events of the codec in and out over a python-can bus, with stamps and counters."""

from __future__ import annotations

import logging
import time

import can

from drivers.allegro.codec import HandEvent, HandEvents, HostEvent, decode, encode
from drivers.arrival_clock import ArrivalClock
from drivers.can_open import open_can
from skin_teleop.clock import mono_ns
from skin_teleop.errors import DeviceError, WireError
from skin_teleop.rig import HandConfig

HEARS_ITSELF = ("udp_multicast",)
"""Interfaces that give a sender its own frames back."""
RECEIVE_ERROR_PAUSE_S = 0.02
MAX_RECEIVE_ERRORS = 100
"""Failed reads in a row (2 s with the pause) after which the interface counts as gone."""

log = logging.getLogger(__name__)


def open_bus(config: HandConfig) -> can.BusABC:
    """Open the hand's CAN bus by its python-can interface name; raises DeviceError that says how to bring it up."""
    return open_can(config.can_interface, config.can_channel, config.bitrate)


class HandLink:
    """Sends host events and receives hand events; what goes wrong on the wire is counted, never raised.

    The one exception: `receive` raises DeviceError when the interface has gone away.
    """

    def __init__(self, bus: can.BusABC, config: HandConfig) -> None:
        self._bus = bus
        self._device_id = config.device_id
        self._channel = config.can_channel
        self._clock = ArrivalClock(config.can_interface)
        self._hears_itself = config.can_interface in HEARS_ITSELF
        self._receive_errors_in_a_row = 0
        self._refusing_since_ns: int | None = None
        self.send_errors = 0
        """Frames the bus did not take, e.g. ENOBUFS because nobody acknowledges."""
        self.refused_ns = 0
        """How long the bus has refused every frame, as of the last one; 0 where it took that one."""
        self.malformed = 0
        """Frames with a known id and a wrong length, and what the interface itself could not read as a frame."""
        self.foreign = 0
        """Commands of another program to this hand, where the interface does not show a sender its own frames."""

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
                self._refusing_since_ns, self.refused_ns = None, 0
            except (can.CanError, OSError) as error:
                self._note_refusal(error)

    def _note_refusal(self, error: Exception) -> None:
        now_ns = mono_ns()
        self._refusing_since_ns = self._refusing_since_ns or now_ns
        self.refused_ns = now_ns - self._refusing_since_ns
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
        received_ns = self._clock.arrival_ns(message.timestamp)
        if message.is_error_frame or message.is_extended_id:
            return None, received_ns
        try:
            event = decode(message.arbitration_id, bytes(message.data), message.is_remote_frame, self._device_id)
        except WireError as error:
            self.malformed += 1
            log.debug("frame 0x%03X ignored: %s", message.arbitration_id, error)
            return None, received_ns
        if event is None or isinstance(event, HandEvents):
            return event, received_ns
        self._note_foreign(event)
        return None, received_ns

    def _note_foreign(self, event: HostEvent) -> None:
        """A command on the bus that is none of a hand's events: a loop-back of an own frame, or a second host's."""
        if self._hears_itself:
            return
        self.foreign += 1
        if self.foreign == 1:
            log.warning("another program commands the hand on %r: %s; stop it", self._channel, event)

    def drain(self, frames: int) -> None:
        """Throw away up to this many frames that wait in the receive queue."""
        for _ in range(frames):
            if self._read(0.0) is None:
                return

    def _read(self, timeout_s: float) -> can.Message | None:
        try:
            message = self._bus.recv(timeout_s)
        except (can.CanError, OSError) as error:
            if error.__cause__ is not None and not isinstance(error.__cause__, OSError):
                self.malformed += 1  # what came is no frame; the interface itself is well
                return None
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
