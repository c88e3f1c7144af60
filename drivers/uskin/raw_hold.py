"""Sample and hold for raw CAN: every taxel on its own, sent on change, so a quiet taxel is no fault."""

from __future__ import annotations

import numpy as np

from drivers.uskin.hold import NEVER_NS, TaxelHold
from drivers.uskin.id_map import IdMap
from drivers.uskin.raw_can import RawTaxel
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import N_TAXELS

SETTLE_NS = NS_PER_S
"""A taxel at rest may be silent for half a second, so the first full picture takes this long."""
SILENCE_NS = NS_PER_S
"""A whole controller that sent nothing for this long is at fault."""

Controller = tuple[str, int]
"""Bus name and micro-controller label."""


class RawHold(TaxelHold):
    """Every taxel as its own last frame said; raw frames carry no temperature and no time."""

    def __init__(self, id_map: IdMap) -> None:
        super().__init__()
        self._id_map = id_map
        self._first_ns = self._newest_ns = NEVER_NS
        self._heard_ns: dict[Controller, int] = {(bus, i & 0xF): NEVER_NS for bus, ids in id_map.items() for i in ids}
        self._updates = np.zeros(N_TAXELS, np.int64)
        self._counted_ns = NEVER_NS

    @property
    def has_data(self) -> bool:
        """Whether every taxel has sent, or had the time to."""
        settled = self.message > 0 and self._newest_ns - self._first_ns >= SETTLE_NS
        return settled or bool((self._arrived_ns != NEVER_NS).all())

    def take(self, bus: str, frame: RawTaxel, received_ns: int) -> bool:
        """Take one frame; False when its id is not in the map."""
        taxel = self._id_map[bus].get(frame.id)
        if taxel is None:
            return False
        if self.message == 0:
            self._first_ns = self._counted_ns = received_ns
        self.flux[taxel] = frame.xyz
        self._arrived_ns[taxel] = self._newest_ns = self._heard_ns[bus, frame.mcu] = received_ns
        self._updates[taxel] += 1
        self.message += 1
        return True

    def silent_controllers(self, now_ns: int) -> list[str]:
        """Names of the controllers that sent nothing for a second, as BUS/LABEL."""
        return [f"{bus}/{mcu}" for (bus, mcu), ns in self._heard_ns.items() if now_ns - ns > SILENCE_NS]

    def count_updates(self, now_ns: int) -> None:
        """Close the current second of `updates_per_s`, which is NaN until then; called once a second."""
        elapsed_s = (now_ns - self._counted_ns) / NS_PER_S
        if self.message and elapsed_s > 0:
            self.updates_per_s = (self._updates / elapsed_s).astype(np.float32)
            self._updates[:], self._counted_ns = 0, now_ns

    def is_silent(self, now_ns: int) -> bool:
        """Whether a whole controller is silent; a quiet taxel is no fault."""
        return bool(self.silent_controllers(now_ns))
