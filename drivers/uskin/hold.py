"""Sample and hold: the skin comes in pieces and on change, the rig wants the whole skin on a fixed tick."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from drivers.uskin.server_frame import Counts, ServerFrame
from skin_teleop.clock import ABSENT_NS, NS_PER_MS
from skin_teleop.errors import WireError
from skin_teleop.messages import FLAG_SATURATED, FLAG_STALE, N_TAXELS
from skin_teleop.transforms import Array

OLDEST_AGE_MS = 65535
"""Age of a taxel whose value arrived longer ago, or never."""
NEVER_NS = -(2**62)
SATURATED_LOW, SATURATED_HIGH = 0, 65535
"""Ends of the 16-bit range of a taxel's axis."""


class TaxelHold(ABC):
    """The newest value of every taxel in canonical order and when it came. Pure; time is injected."""

    def __init__(self) -> None:
        self._arrived_ns = np.full(N_TAXELS, NEVER_NS)
        self.flux: Counts = np.zeros((N_TAXELS, 3), np.uint16)
        """(368, 3) raw counts; 0 where a taxel has never sent (its age says so). The next `take` may write into it."""
        self.temperature_k: Array = np.full(N_TAXELS, np.nan, np.float32)
        """(368,) K, NaN where the source sends none."""
        self.updates_per_s: Array = np.full(N_TAXELS, np.nan, np.float32)
        """(368,) 1/s, NaN where it is not known."""
        self.message = 0
        """The source's own counter, or the frames taken where it has none."""
        self.device_time_ns = ABSENT_NS
        """The source's newest stamp, ns, where it has a clock."""

    @property
    @abstractmethod
    def has_data(self) -> bool:
        """Whether there is a whole skin to show."""

    @abstractmethod
    def is_silent(self, now_ns: int) -> bool:
        """Whether the source, or a part of it, has sent nothing for too long."""

    def age_ms(self, now_ns: int) -> Array:
        """(368,) uint16 ms since each taxel's value arrived, 65535 = never or older."""
        ages: Array = np.clip((now_ns - self._arrived_ns) // NS_PER_MS, 0, OLDEST_AGE_MS).astype(np.uint16)
        return ages

    def flags(self, now_ns: int) -> int:
        """Flag bits: stale where the source is silent, saturated where an axis is at an end of its range."""
        sent = self.flux[self._arrived_ns != NEVER_NS]
        saturated = bool(((sent == SATURATED_LOW) | (sent == SATURATED_HIGH)).any())
        return (FLAG_STALE if self.is_silent(now_ns) else 0) | (FLAG_SATURATED if saturated else 0)


class SkinHold(TaxelHold):
    """The newest broadcast of the vendor's server; every broadcast carries all taxels."""

    def __init__(self, wire_order: Array, stale_after_ms: int) -> None:
        """Take `wire_order` (368,), the index of each canonical taxel in the server's frame."""
        super().__init__()
        self._order = wire_order
        self._stale_after_ns = stale_after_ms * NS_PER_MS

    @property
    def has_data(self) -> bool:
        """Whether a broadcast has ever been taken."""
        return bool(self._arrived_ns[0] != NEVER_NS)

    def is_silent(self, now_ns: int) -> bool:
        """Whether the last broadcast is longer ago than the rig file allows."""
        return bool(now_ns - self._arrived_ns[0] > self._stale_after_ns)

    def take(self, frame: ServerFrame, received_ns: int) -> bool:
        """Take one broadcast; True when its counter fell back (the server was restarted).

        Raises WireError when the frame has not one value for each of the 368 taxels.
        """
        flux = frame.flux
        if len(flux) != N_TAXELS:
            models = ", ".join(f"{sensor.model or '?'} with {len(sensor.flux)}" for sensor in frame.sensors)
            raise WireError(
                f"a skin of {N_TAXELS} taxels was expected",
                found=f"{len(flux)} taxels in {len(frame.sensors)} sensors: {models}"[:200],
                next_step="set the sensor model of the whole Allegro kit, or all 18 pads, in the server's xServ.ini",
            )
        restarted = self.has_data and frame.message < self.message
        self.flux, self.message, self.device_time_ns = flux[self._order], frame.message, frame.newest_ns
        self.temperature_k = frame.temperature_k[self._order]
        self.updates_per_s = frame.updates_per_s[self._order]
        self._arrived_ns[:] = received_ns
        return restarted
