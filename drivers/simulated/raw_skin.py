"""uSkin micro-controllers on raw CAN: every taxel sends by itself, on change, with a slow refresh.

Recorded behaviour (16 frames in XELA's uSPa46 manual; `ups` 2.4 to 4.7 a second at rest): most taxels stay silent for
many scans. What it does not model: bus load and arbitration, the 11.26 ms scan of a real controller, its start-up.
Faults are set from outside: `dead_taxels` never send, `stuck_taxels` send their first value for ever.
"""

from __future__ import annotations

import logging

import can
import numpy as np

from drivers.uskin.id_map import IdMap
from drivers.uskin.raw_can import RawTaxel, encode_raw
from drivers.uskin.raw_client import open_skin_bus
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import N_TAXELS
from skin_teleop.rig import SkinConfig
from skin_teleop.transforms import Array

CHANGE_COUNTS = 12
"""Resent values of the recorded frames had moved by 1 to 18 counts."""
REFRESH_NS = NS_PER_S * 2 // 5
SPREAD_NS = REFRESH_NS // 5
"""A quiet taxel sends about 2.5 times a second, each in its own rhythm, so that they do not all send at once."""

log = logging.getLogger(__name__)


class RawSkinDevices:
    """All controllers of a kit on their buses, as the simulated world's skin."""

    def __init__(self, config: SkinConfig, id_map: IdMap) -> None:
        """Open the devices' end of every bus; raises DeviceError when that fails."""
        self._places = [(bus, identifier, taxel) for bus, ids in id_map.items() for identifier, taxel in ids.items()]
        self._buses: dict[str, can.BusABC] = {channel: open_skin_bus(config, channel) for channel in id_map}
        self._sent: Array = np.zeros((N_TAXELS, 3), np.int64)
        self._due_ns: Array = np.zeros(N_TAXELS, np.int64)
        self._refresh_ns = REFRESH_NS + np.random.default_rng(0).integers(-SPREAD_NS, SPREAD_NS, N_TAXELS)  # (368,)
        self.dead_taxels: set[int] = set()
        self.stuck_taxels: set[int] = set()
        self.send_errors = 0

    def publish(self, counts: Array, updates_per_s: Array, time_ns: int) -> None:
        """Send what has changed of counts (368, 3) in canonical order at wall time ns; never waits."""
        changed = np.abs(counts.astype(np.int64) - self._sent).max(1) >= CHANGE_COUNTS  # (368,)
        due = changed | (self._due_ns <= time_ns)
        for bus, identifier, taxel in self._places:
            if due[taxel] and taxel not in self.dead_taxels:
                self._send(bus, identifier, taxel, counts[taxel], time_ns)
        for device in self._buses.values():
            device.recv(0)  # controllers listen too; a local bus hands over in it what a slow receiver left waiting

    def _send(self, bus: str, identifier: int, taxel: int, xyz: Array, time_ns: int) -> None:
        if taxel not in self.stuck_taxels or not self._due_ns[taxel]:
            self._sent[taxel] = xyz
        self._due_ns[taxel] = time_ns + self._refresh_ns[taxel]
        x, y, z = self._sent[taxel].tolist()
        frame = RawTaxel(identifier >> 8, identifier >> 4 & 0xF, identifier & 0xF, (x, y, z))
        message = can.Message(arbitration_id=identifier, data=encode_raw(frame), is_extended_id=False)
        try:
            self._buses[bus].send(message)
        except can.CanError:
            self.send_errors += 1

    def close(self) -> None:
        """Leave every bus."""
        for bus in self._buses.values():
            bus.shutdown()
        log.info("simulated skin controllers off the bus: %d send errors", self.send_errors)
