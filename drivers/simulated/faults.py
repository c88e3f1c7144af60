"""A CAN wire that goes wrong on purpose: what a lab meets sooner or later, injected between a bus and its user."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

import can

from skin_teleop.clock import NS_PER_MS, mono_ns


@dataclass(slots=True)
class WireFaults:
    """What is wrong with the wire now; shares are of the received frames, 0 to 1. Change it while the bus runs."""

    drop_share: float = 0.0
    duplicate_share: float = 0.0
    bit_error_share: float = 0.0
    """Frames with one data bit turned over: what CAN's own checksum misses, or a broken adapter makes."""
    delay_ms: float = 0.0
    bus_off: bool = False
    """Sending fails, nothing is received; the interface still exists (nobody acknowledges)."""
    unplugged: bool = False
    """Every call fails, as when the adapter was pulled."""


class FaultyBus:
    """Sends and receives on another python-can bus, with faults; the sequence of faults follows from the seed."""

    def __init__(self, bus: can.BusABC, faults: WireFaults, seed: int = 0) -> None:
        self._bus = bus
        self._faults = faults
        self._random = random.Random(seed)
        self._late: deque[tuple[int, can.Message]] = deque()

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Send one frame; raises can.CanOperationError while the bus is off or the adapter away."""
        if self._faults.bus_off or self._faults.unplugged:
            raise can.CanOperationError("no buffer space available", 105)
        self._bus.send(msg, timeout)

    def recv(self, timeout: float | None = None) -> can.Message | None:
        """The next frame that survives, or None; raises can.CanOperationError while the adapter is away."""
        if self._faults.unplugged:
            raise can.CanOperationError("network is down", 100)
        message = self._bus.recv(0.0 if self._is_due() else timeout)
        if message is not None and not self._faults.bus_off:
            self._arrive(message)
        return self._late.popleft()[1] if self._is_due() else None

    def _is_due(self) -> bool:
        return bool(self._late) and self._late[0][0] <= mono_ns()

    def _arrive(self, message: can.Message) -> None:
        faults = self._faults
        if self._random.random() < faults.drop_share:
            return
        if message.data and self._random.random() < faults.bit_error_share:
            bit = self._random.randrange(8 * len(message.data))
            message.data[bit // 8] ^= 1 << bit % 8
        copies = 2 if self._random.random() < faults.duplicate_share else 1
        due_ns = mono_ns() + round(faults.delay_ms * NS_PER_MS)
        self._late.extend([(due_ns, message)] * copies)

    def shutdown(self) -> None:
        """Close the bus underneath."""
        self._bus.shutdown()
