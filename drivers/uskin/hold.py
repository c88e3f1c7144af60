"""Sample and hold: the server sends taxels on change, the rig wants the whole skin on a fixed tick."""

from __future__ import annotations

import numpy as np

from drivers.uskin.server_frame import Counts, ServerFrame
from skin_teleop.clock import ABSENT_NS, NS_PER_MS
from skin_teleop.errors import WireError
from skin_teleop.messages import FLAG_SATURATED, FLAG_STALE, N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

OLDEST_AGE_MS = 65535
"""Age of a taxel that has not changed for longer, or never."""
SATURATED_LOW, SATURATED_HIGH = 0, 65535
"""Ends of the 16-bit range of a taxel's axis."""


class SkinHold:
    """The newest value of every taxel in canonical order, and when it last changed. Pure; time is injected."""

    def __init__(self, layout: SkinLayout, stale_after_ms: int) -> None:
        self._layout = layout
        self._stale_after_ns = stale_after_ms * NS_PER_MS
        self._changed_ns = np.zeros(N_TAXELS, np.int64)
        self._ever_changed = np.zeros(N_TAXELS, bool)
        self._received_ns: int | None = None
        self.flux: Counts = np.zeros((N_TAXELS, 3), np.uint16)
        """(368, 3) raw counts, canonical order."""
        self.temperature_k: Array = np.full(N_TAXELS, np.nan, np.float32)
        """(368,) K, canonical order, NaN where the server sends none."""
        self.updates_per_s: Array = np.full(N_TAXELS, np.nan, np.float32)
        """(368,) 1/s, canonical order, NaN where the server sends none."""
        self.message = 0
        """The server's counter in the newest broadcast."""
        self.server_time_ns = ABSENT_NS
        """Newest server stamp in the newest broadcast, ns."""

    @property
    def has_data(self) -> bool:
        """Whether a broadcast has ever been taken."""
        return self._received_ns is not None

    def take(self, frame: ServerFrame, received_ns: int) -> bool:
        """Take one broadcast; True when its counter fell back (the server was restarted).

        In the first broadcast nothing has changed yet, so every age stays 65535. Raises WireError when the frame has
        not one value for each of the 368 taxels.
        """
        flux = frame.flux
        if len(flux) != N_TAXELS:
            raise WireError(
                f"the skin layout {self._layout.name} has {N_TAXELS} taxels",
                found=f"{len(flux)} taxels in {len(frame.sensors)} sensors",
                next_step="set the sensor model of the whole Allegro kit in the server's xServ.ini",
            )
        canonical = self._layout.to_canonical(flux)
        if self._received_ns is not None:
            changed = (canonical != self.flux).any(axis=1)  # (368,)
            self._changed_ns[changed] = received_ns
            self._ever_changed |= changed
        restarted = self.has_data and frame.message < self.message
        self.flux, self.message, self.server_time_ns = canonical, frame.message, frame.newest_ns
        self.temperature_k = self._layout.to_canonical(frame.temperature_k)
        self.updates_per_s = self._layout.to_canonical(frame.updates_per_s)
        self._received_ns = received_ns
        return restarted

    def age_ms(self, now_ns: int) -> Array:
        """(368,) uint16 ms since each taxel last changed, 65535 = never or older."""
        age_ms = np.clip((now_ns - self._changed_ns) // NS_PER_MS, 0, OLDEST_AGE_MS)
        ages: Array = np.where(self._ever_changed, age_ms, OLDEST_AGE_MS).astype(np.uint16)
        return ages

    def flags(self, now_ns: int) -> int:
        """Flag bits: stale when the server is silent, saturated when any axis is at an end of its range."""
        silent = self._received_ns is None or now_ns - self._received_ns > self._stale_after_ns
        saturated = bool(((self.flux == SATURATED_LOW) | (self.flux == SATURATED_HIGH)).any())
        return (FLAG_STALE if silent else 0) | (FLAG_SATURATED if saturated else 0)
