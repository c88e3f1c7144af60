"""Sees one press after the other in the skin's Z counts, and which taxels answered. Pure; rows are handed in.

Pressing raises Z on every firmware seen (XELA uSPa46 manual); the size of the change is used, so that a skin whose
magnets are the other way round answers too.
"""

from __future__ import annotations

import numpy as np

from skin_teleop.transforms import Array

PRESSED_COUNTS = 300
"""About 0.2 N on a uSPa46 (10 085 counts for 7.35 N, spec sheet); rest noise stays below 20."""
RELEASED_COUNTS, RELEASED_SHARE = 150, 0.15
"""A press is over below this, or below this share of its peak: the elastomer comes back slowly."""
RELEASED_ROWS = 5
FOLLOW = 0.2
"""Share of the way that the baseline goes towards an untouched row."""


class TouchDetector:
    """Takes rows and gives the answer of the whole skin to each press when it is over."""

    def __init__(self, channels: int) -> None:
        self._rest: Array = np.full(channels, np.nan)
        self._peak: Array = np.zeros(channels)
        self._quiet_rows = 0
        self.touched = False
        """Whether something presses now."""

    def take(self, z_counts: Array) -> Array | None:
        """Take Z (n,), NaN where a channel never sent; at the end of a press, its strongest row of changes (n,)."""
        z = np.asarray(z_counts, float)
        self._rest = np.where(np.isnan(self._rest), z, self._rest)
        change = np.nan_to_num(np.abs(z - self._rest))
        if not self.touched:
            self.touched = bool(change.max() > PRESSED_COUNTS)
            self._peak, self._quiet_rows = change, 0
            if not self.touched:
                self._rest += FOLLOW * (z - self._rest)
            return None
        if change.max() > self._peak.max():
            self._peak = change
        over = change.max() < max(RELEASED_COUNTS, RELEASED_SHARE * self._peak.max())
        self._quiet_rows = self._quiet_rows + 1 if over else 0
        self.touched = self._quiet_rows < RELEASED_ROWS
        return None if self.touched else self._peak
