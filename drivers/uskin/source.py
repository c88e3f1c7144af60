"""Where the skin comes from: XELA's server or the micro-controllers themselves, behind one face."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

from drivers.uskin.client import SkinClient
from drivers.uskin.hold import SkinHold
from drivers.uskin.id_map import read_id_map
from drivers.uskin.raw_client import RawCanClient
from drivers.uskin.raw_hold import RawHold
from drivers.uskin.server_order import server_order
from skin_teleop.rig import SkinConfig
from skin_teleop.skin_layout import skin_layout


class SkinSource(Protocol):
    """What the skin node needs of a source; whoever reads `hold` takes `lock` first."""

    lock: threading.Lock
    notices: deque[tuple[str, dict[str, Any]]]
    frames: int
    malformed: int

    @property
    def hold(self) -> SkinHold | RawHold:
        """The newest value of every taxel."""

    def start(self) -> None:
        """Begin to read."""

    def check(self, now_ns: int) -> None:
        """What must be looked at once a second."""

    def join(self) -> None:
        """Wait until the source has left."""


def open_source(config: SkinConfig, stop: threading.Event) -> SkinSource:
    """The source that the rig file names; raises ConfigError when its map of taxels is not usable."""
    layout = skin_layout(config.layout)
    if config.source == "raw_can":
        return RawCanClient(config, read_id_map(config.id_map, config.can_channels, layout), stop)
    hold = SkinHold(server_order(layout, config.sensor_pads), config.stale_after_ms)
    return SkinClient(config.url, hold, stop)
