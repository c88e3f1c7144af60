"""A skin on no hand, to be pressed taxel by taxel: behind a vendor-like server or on raw CAN, mounted as one likes.

It stands for a person's finger on a kit whose pads may be turned or plugged in the wrong place. What it does not model:
a finger that touches two pads, a hand that moves.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from drivers.simulated.raw_skin import RawSkinDevices
from drivers.simulated.skin.ambient import PadPoses
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.xela_server import XelaServer
from skin_teleop.clock import NS_PER_S, Ticker
from skin_teleop.messages import N_PADS, N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

PERIOD_NS = NS_PER_S // 100
FINGER_M = 0.004
"""Standard deviation of the pressure under a fingertip, m: the width of a taxel."""
FORCE_N = 3.0
PRESS_ROWS = 30
"""A press lasts 0.3 s; counted in rows, so that a busy machine makes it longer and never misses it."""


def finger_force_n(layout: SkinLayout, taxel: int) -> Array:
    """Forces (368, 3) on all taxels, pad frame, N, of a finger that presses the place of one of them."""
    pad = layout.pads[layout.pad_index[taxel]]
    place_m = layout.positions_m["vendor"]
    distance_m = np.linalg.norm(place_m[pad.taxels] - place_m[taxel], axis=-1)
    share = np.exp(-0.5 * (distance_m / FINGER_M) ** 2)
    force_n = np.zeros((N_TAXELS, 3))
    force_n[pad.taxels, 2] = -FORCE_N * share / share.sum()
    return force_n


def still_poses(layout: SkinLayout) -> PadPoses:
    """Pads beside one another that never move: what a skin without a hand has."""
    return PadPoses(np.tile(np.eye(3), (N_PADS, 1, 1)), np.array([pad.position_m for pad in layout.pads]))


class PressedSkin:
    """Streams from a thread of its own until `close`; the device is closed with it."""

    def __init__(self, device: XelaServer | RawSkinDevices, layout: SkinLayout, carried: Array) -> None:
        """Take the wire's end and `carried` (368,), for each taxel the one whose place on the wire it is sent at."""
        self._device, self._layout, self._carried = device, layout, carried
        self._skin = MagneticSkin(layout, seed=5)
        self._poses = still_poses(layout)
        self._force_n: Array = np.zeros((N_TAXELS, 3))
        self._rows_left = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._stream, name="pressed-skin")
        self._thread.start()

    def press(self, taxel: int) -> None:
        """Press the place of a canonical taxel for a moment."""
        self._force_n = finger_force_n(self._layout, taxel)
        self._rows_left = PRESS_ROWS

    def close(self) -> None:
        """Stop streaming and close the device."""
        self._stop.set()
        self._thread.join()
        self._device.close()

    def _stream(self) -> None:
        ticker, rates, sent = Ticker(PERIOD_NS), np.full(N_TAXELS, 80.0, np.float32), np.zeros((N_TAXELS, 3), np.uint16)
        still, nothing = np.zeros(N_PADS), np.zeros((N_TAXELS, 3))
        while not self._stop.wait(ticker.seconds_left()):
            ticker.advance()
            force_n = self._force_n if self._rows_left > 0 else nothing
            self._rows_left -= 1
            sent[self._carried] = self._skin.step(force_n, still, self._poses, PERIOD_NS / NS_PER_S)
            self._device.publish(sent, rates, time.time_ns())
