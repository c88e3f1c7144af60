"""Where the skin comes from: XELA's server or the micro-controllers themselves, behind one face."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

import numpy as np

from drivers.uskin.client import SkinClient
from drivers.uskin.hold import SkinHold, TaxelHold
from drivers.uskin.id_map import read_id_map
from drivers.uskin.raw_client import RawCanClient
from drivers.uskin.server_clock import Reading
from drivers.uskin.server_order import server_order
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.skin_mounting import mounted_taxels


class SkinSource(Protocol):
    """What the skin node needs of a source; whoever reads `hold` takes `lock` first."""

    lock: threading.Lock
    notices: deque[tuple[str, dict[str, Any]]]
    frames: int
    malformed: int

    @property
    def hold(self) -> TaxelHold:
        """The newest value of every taxel."""

    def start(self) -> None:
        """Begin to read."""

    def check(self, now_ns: int) -> None:
        """What must be looked at once a second."""

    def clock_reading(self) -> Reading | None:
        """The device's clock beside ours, once a second; None where it has none."""

    def join(self) -> None:
        """Wait until the source has left."""


def open_source(config: SkinConfig, stop: threading.Event) -> SkinSource:
    """The source that the rig file names, its pads put where they are mounted.

    Raises ConfigError when its map of taxels is not usable.
    """
    layout = skin_layout(config.layout)
    carried = mounted_taxels(layout, config.mounted)  # (368,)
    if config.source == "raw_can":
        by_table = read_id_map(config.id_map, config.can_channels, layout)
        true_taxel = np.argsort(carried)  # (368,) whose value comes where the table has each taxel
        id_map = {bus: {i: int(true_taxel[k]) for i, k in ids.items()} for bus, ids in by_table.items()}
        return RawCanClient(config, id_map, stop)
    hold = SkinHold(server_order(layout, config.sensor_pads)[carried], config.stale_after_ms)
    return SkinClient(config.url, hold, stop)
