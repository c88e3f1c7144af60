"""Sample and hold: the skin comes in pieces and on change, the rig wants the whole skin on a fixed tick."""

from __future__ import annotations

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


def ages_ms(arrived_ns: Array, now_ns: int) -> Array:
    """(368,) uint16 ms since each taxel's value arrived (monotonic ns), 65535 = never or older."""
    ages: Array = np.clip((now_ns - arrived_ns) // NS_PER_MS, 0, OLDEST_AGE_MS).astype(np.uint16)
    return ages


def flag_bits(flux: Counts, *, silent: bool) -> int:
    """Flags of a frame: stale where a source is silent, saturated where an axis is at an end of its range."""
    saturated = bool(((flux == SATURATED_LOW) | (flux == SATURATED_HIGH)).any())
    return (FLAG_STALE if silent else 0) | (FLAG_SATURATED if saturated else 0)


class SkinHold:
    """The newest broadcast of the vendor's server in canonical order. Pure; time is injected."""

    def __init__(self, wire_order: Array, stale_after_ms: int) -> None:
        """Take `wire_order` (368,), the index of each canonical taxel in the server's frame."""
        self._order = wire_order
        self._stale_after_ns = stale_after_ms * NS_PER_MS
        self._received_ns = NEVER_NS
        self.flux: Counts = np.zeros((N_TAXELS, 3), np.uint16)
        """(368, 3) raw counts, canonical order."""
        self.temperature_k: Array = np.full(N_TAXELS, np.nan, np.float32)
        """(368,) K, canonical order, NaN where the server sends none."""
        self.updates_per_s: Array = np.full(N_TAXELS, np.nan, np.float32)
        """(368,) 1/s, canonical order, NaN where the server sends none."""
        self.message = 0
        """The server's counter in the newest broadcast."""
        self.device_time_ns = ABSENT_NS
        """Newest server stamp in the newest broadcast, ns."""

    @property
    def has_data(self) -> bool:
        """Whether a broadcast has ever been taken."""
        return self._received_ns != NEVER_NS

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
        self._received_ns = received_ns
        return restarted

    def age_ms(self, now_ns: int) -> Array:
        """(368,) uint16 ms since the broadcast that carried the values; every broadcast carries all."""
        return ages_ms(np.full(N_TAXELS, self._received_ns), now_ns)

    def flags(self, now_ns: int) -> int:
        """Flag bits: stale when the server is silent, saturated when any axis is at an end of its range."""
        return flag_bits(self.flux, silent=now_ns - self._received_ns > self._stale_after_ns)
