"""Asks a person to press one place of the skin, with a picture, and waits for the answer of the skin."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from drivers.uskin.touch import TouchDetector
from skin_teleop.clock import NS_PER_S, Ticker
from skin_teleop.errors import DeviceError
from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.skin_mounting import seen_from_outside_m
from skin_teleop.transforms import Array

TICK_NS = NS_PER_S // 50
FIRST_DATA_S = 10.0
SETTLE_ROWS = 60
"""Rows before the first press: more than a second, so that every taxel at rest has sent once."""
LEAST_STEP_M = 0.0036
"""Taxels of a curved tip that are nearer than this along an axis share a row or column of the picture."""

ReadZ = Callable[[], Array | None]


class PressGuide:
    """Shows where to press and returns which channels answered."""

    def __init__(self, layout: SkinLayout, timeout_s: float, press: Callable[[int], None] | None = None) -> None:
        """Take, for a rehearsal, what presses a canonical taxel; a person needs none."""
        self.layout = layout
        self._timeout_s = timeout_s
        self._press = press
        self._ticker = Ticker(TICK_NS)

    def watch(self, z_counts: ReadZ, channels: int) -> None:
        """Begin to look at a skin of so many channels; raises DeviceError when it sends nothing."""
        self._z_counts = z_counts
        self._detector = TouchDetector(channels)
        until = time.monotonic() + FIRST_DATA_S
        while (z := z_counts()) is None or np.isnan(z).all():
            if time.monotonic() > until:
                raise DeviceError(
                    "the skin was to be verified",
                    found=f"nothing arrived within {FIRST_DATA_S:.0f} s",
                    next_step="skin-teleop doctor --rig RIG.toml; is the skin's 5 V supply plugged in?",
                )
            time.sleep(0.02)
        print("leave the skin alone for a moment", flush=True)
        for _ in range(SETTLE_ROWS):
            self._row()

    def ask(self, pad: Pad, taxel: int) -> Array | None:
        """The answer (channels,) in counts to a press at a canonical taxel, None when nobody pressed in time."""
        print(f"\npress X on {place_of(pad)}, fingertips up, seen from outside, then let go:")
        print(picture(self.layout, pad, taxel), flush=True)
        if self._press is not None:
            self._press(taxel)
        until = time.monotonic() + self._timeout_s
        while time.monotonic() < until or self._detector.touched:
            answer = self._row()
            if answer is not None:
                return answer
        return None

    def _row(self) -> Array | None:
        time.sleep(self._ticker.seconds_left())
        self._ticker.advance()
        z = self._z_counts()
        return None if z is None else self._detector.take(z)


def place_of(pad: Pad) -> str:
    """Where a pad is, for a person: `link_6 (middle finger)`."""
    if pad.link == "palm":
        return f"{pad.name} (palm)"
    finger = ("index", "middle", "ring", "thumb")[int(pad.link.removeprefix("link_")) // 4]
    return f"{pad.name} ({finger}{' tip' if pad.kind == 'curved' else ''})"


def picture(layout: SkinLayout, pad: Pad, taxel: int) -> str:
    """A pad as characters, one `.` a taxel and X where to press."""
    seen = seen_from_outside_m(layout, pad)
    column = np.round(2 * (seen[:, 0] - seen[:, 0].min()) / _step_m(seen[:, 0])).astype(int)
    row = np.round((seen[:, 1].max() - seen[:, 1]) / _step_m(seen[:, 1])).astype(int)
    canvas = np.full((row.max() + 1, column.max() + 1), " ")
    canvas[row, column] = "."
    canvas[row[taxel - pad.first], column[taxel - pad.first]] = "X"
    return "\n".join("    " + "".join(line).rstrip() for line in canvas)


def _step_m(places_m: Array) -> float:
    """Distance of neighbouring rows or columns, m."""
    gaps = np.diff(np.unique(places_m.round(4)))
    return max(float(gaps.min()), LEAST_STEP_M)
