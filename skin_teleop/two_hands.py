"""What a rig of two hands must be: one of each side, both real or both turned by the same world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skin_teleop.errors import ConfigError
from skin_teleop.hand import is_left

if TYPE_CHECKING:
    from skin_teleop.rig import Rig

SECOND_WRIST_AWAY_M = 0.4
"""How far the second palm's home is from the first one's, towards its own side, where a rig file does not say: m."""


def check_two_hands(rig: Rig, source: str) -> None:
    """Raise ConfigError with the key to change where the second hand or its skin cannot stand beside the first."""
    _check_simulated(rig, source)
    if rig.second_hand is None:
        return
    _check_sides(rig, source)


def _check_simulated(rig: Rig, source: str) -> None:
    """Only what the rig has can be simulated, and the world turns both hands at its own period."""
    devices = rig.world.devices if rig.world else ()
    absent = [device for device in devices if device not in (*rig.hands, *rig.skins)]
    if absent:
        raise ConfigError(
            f"rig {source}: world.devices", found=f"{absent[0]}, which this rig has not", next_step=f"add [{absent[0]}]"
        )
    if rig.second_hand is None or not rig.simulates("second_hand"):
        return
    if rig.second_hand.period_ms != rig.hand.period_ms:
        raise ConfigError(
            f"rig {source}: second_hand.period_ms",
            found=str(rig.second_hand.period_ms),
            allowed=f"{rig.hand.period_ms}, as hand.period_ms: the simulated world turns both hands at once",
        )


def _check_sides(rig: Rig, source: str) -> None:
    first, second = rig.hand.model, rig.hands["second_hand"].model
    if is_left(first) == is_left(second):
        other = second.replace("left", "right") if is_left(second) else second.replace("right", "left")
        raise ConfigError(
            f"rig {source}: second_hand.model",
            found=f"{second}, of the same side as {first}",
            allowed="a left and a right hand, each driven by the operator's hand of its side",
            next_step=f'second_hand.model = "{other}"',
        )
    side = "left" if is_left(first) else "right"
    if rig.server.driven_hand != side:
        raise ConfigError(
            f"rig {source}: server.driven_hand",
            found=rig.server.driven_hand,
            allowed=f"{side}, the side of {first}: of two hands each is driven by the operator's hand of its side",
            next_step="leave server.driven_hand out",
        )
