"""The robot hands as the server knows them: what their nodes are ordered, and which state they report."""

from __future__ import annotations

import logging
from pathlib import Path

from server.teleop_state import Order
from skin_teleop.bus import CommandSender, Latest
from skin_teleop.errors import BusError
from skin_teleop.messages import HandCommand, HandHealth
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)

HAND_STATES = ("OFF", "READY", "FOLLOW", "HOLD", "RELAX", "FAULT")
"""Words for `HandHealth.state`."""


class RobotHands:
    """Every hand of one rig."""

    def __init__(self, rig: Rig, runtime: Path) -> None:
        self._rig = rig
        self._states = dict.fromkeys(rig.hands, "unknown")
        self._orders = [CommandSender(runtime, hand) for hand in rig.hands]
        self._health = {
            hand: Latest(runtime, hand, HandHealth, f"{config.name}_health") for hand, config in rig.hands.items()
        }

    def order(self, action: Order, reason: str) -> list[str]:
        """Send an order to every hand; what could not be sent, in words."""
        failures = []
        for hand in self._orders:
            try:
                hand.send(HandCommand(action, reason))
            except BusError as error:
                log.warning("%s", error)
                failures.append(str(error))
        return failures

    def look(self) -> None:
        """Take what the hands report now."""
        for hand, healths in self._health.items():
            health = healths.take()
            if health is not None:
                self._states[hand] = HAND_STATES[health.state] if health.state < len(HAND_STATES) else "unknown"

    @property
    def fault(self) -> str:
        """Which hand reports a fault, in words; empty where none does."""
        faulty = [hand for hand, state in self._states.items() if state == "FAULT"]
        if not faulty:
            return ""
        name = f" {self._rig.hands[faulty[0]].name}" if len(self._states) > 1 else ""
        return f"the robot hand{name} reports a fault"

    @property
    def words(self) -> str:
        """What the hand's node says of its state; of two hands with their names."""
        if len(self._states) == 1:
            return self._states["hand"]
        return ", ".join(f"{self._rig.hands[hand].name} {state}" for hand, state in self._states.items())

    def close(self) -> None:
        """Release the sockets."""
        for health in self._health.values():
            health.close()
        for orders in self._orders:
            orders.close()
