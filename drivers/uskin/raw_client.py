"""Reads uSkin micro-controllers from one or several CAN buses, a thread for each, and keeps the newest skin."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

import can

from drivers.arrival_clock import ArrivalClock
from drivers.can_open import open_can
from drivers.uskin.id_map import IdMap
from drivers.uskin.raw_can import decode_raw
from drivers.uskin.raw_hold import RawHold
from skin_teleop.errors import WireError
from skin_teleop.rig import SkinConfig

RECEIVE_TIMEOUT_S, RETRY_S, JOIN_S = 0.1, 0.5, 0.3
MAX_NOTICES, MAX_TEXT_CHARS = 256, 200

log = logging.getLogger(__name__)


def open_skin_bus(config: SkinConfig, channel: str) -> can.BusABC:
    """Open one bus of the skin; raises DeviceError that says how to bring it up."""
    hint = "the skin's second USB cable is its 5 V supply"
    return open_can(config.can_interface, channel, config.can_bitrate, hint)


class RawCanClient:
    """Feeds a RawHold from the skin's buses; whoever reads `hold` takes `lock` first."""

    def __init__(self, config: SkinConfig, id_map: IdMap, stop: threading.Event) -> None:
        self._config = config
        self._stop = stop
        self._silent: list[str] = []
        self._threads = [
            threading.Thread(target=self._serve, args=(channel,), name=f"skin-{channel}", daemon=True)
            for channel in config.can_channels
        ]
        self.hold = RawHold(id_map)
        self.lock = threading.Lock()
        self.notices: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_NOTICES)
        """Event names and facts for the node to record, oldest first."""
        self.frames = 0
        self.malformed = 0
        """Frames of a wrong length and frames whose id is not in the map."""

    def start(self) -> None:
        """Begin to read every bus."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until the threads have left; they do so soon after `stop` is set."""
        for thread in self._threads:
            thread.join(JOIN_S)

    def clock_reading(self) -> None:
        """Raw frames carry no time."""

    def check(self, now_ns: int) -> None:
        """Once a second: count updates, tell which controllers fell silent or came back."""
        with self.lock:
            self.hold.count_updates(now_ns)
            silent = self.hold.silent_controllers(now_ns) if self.hold.has_data else []
        if silent != self._silent:
            log.warning("silent skin controllers are now: %s", ", ".join(silent) or "none")
            what = "fault" if silent else "connected"
            self.notices.append((what, {"silent_controllers": ", ".join(silent)[:MAX_TEXT_CHARS]}))
        self._silent = silent

    def _serve(self, channel: str) -> None:
        told = False
        while not self._stop.is_set():
            try:
                with open_skin_bus(self._config, channel) as bus:
                    self.notices.append(("connected", {"bus": channel}))
                    told = False
                    self._receive_all(bus, channel)
            except (can.CanError, OSError) as error:
                if not told:
                    log.warning("skin bus %s: %s; trying again every %.1f s", channel, error, RETRY_S)
                    self.notices.append(("disconnected", {"bus": channel, "cause": str(error)[:MAX_TEXT_CHARS]}))
                told = True
            self._stop.wait(RETRY_S)

    def _receive_all(self, bus: can.BusABC, channel: str) -> None:
        clock = ArrivalClock(self._config.can_interface)
        while not self._stop.is_set():
            message = bus.recv(RECEIVE_TIMEOUT_S)
            if message is not None and not message.is_remote_frame and not message.is_error_frame:
                self._take(channel, message, clock.arrival_ns(message.timestamp))

    def _take(self, channel: str, message: can.Message, received_ns: int) -> None:
        try:
            taxel = decode_raw(message.arbitration_id, bytes(message.data))
            with self.lock:
                known = self.hold.take(channel, taxel, received_ns)
        except WireError:
            known = False
        if known:
            self.frames += 1
            return
        self.malformed += 1
        if self.malformed == 1:
            log.warning("frame 0x%X on %s ignored (from now on only counted)", message.arbitration_id, channel)
