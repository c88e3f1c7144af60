"""What a rig of two hands must be: one of each side, each with names, ids and ports of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skin_teleop.errors import ConfigError
from skin_teleop.hand import is_left

if TYPE_CHECKING:
    from skin_teleop.rig import Rig

SECOND_WRIST_AWAY_M = 0.4
"""How far the second palm's home is from the first one's, towards its own side, where a rig file does not say: m."""
ONE_READER = ("slcan",)
"""Interfaces that are a serial port: two processes on one would take each other's bytes."""


def check_two_hands(rig: Rig, source: str) -> None:
    """Raise ConfigError with the key to change where the second hand or its skin cannot stand beside the first."""
    _check_simulated(rig, source)
    if rig.second_hand is None:
        return
    _check_sides(rig, source)
    _check_names(rig, source)
    _check_bus(rig, source)
    if rig.second_skin is not None:
        _check_skins(rig, source)


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


def _check_names(rig: Rig, source: str) -> None:
    """Names are streams, so each may be there once."""
    taken: dict[str, str] = {}
    names = {table: hand.name for table, hand in rig.hands.items()}
    names |= {table: skin.name for table, skin in rig.skins.items()}
    for table, name in names.items():
        if name in taken:
            raise ConfigError(
                f"rig {source}: {table}.name",
                found=f"{name}, which is {taken[name]}.name too",
                allowed="a name of its own: the device's streams are called by it",
                next_step=f'{table}.name = "{name}_2"',
            )
        taken[name] = table


def _check_bus(rig: Rig, source: str) -> None:
    first, second = rig.hand, rig.hands["second_hand"]
    if (first.can_interface, first.can_channel) != (second.can_interface, second.can_channel):
        return
    if first.can_interface in ONE_READER:
        raise ConfigError(
            f"rig {source}: second_hand.can_channel",
            found=f"{second.can_channel}, the serial port of the first hand",
            allowed="a port of its own: two processes cannot read one",
            next_step="give the second hand an adapter of its own, or make the port an interface with slcand",
        )
    if first.device_id == second.device_id:
        free = next(number for number in range(4) if number != first.device_id)
        raise ConfigError(
            f"rig {source}: second_hand.device_id",
            found=f"{second.device_id} on {second.can_channel}, as the first hand has it",
            allowed="another id, 0 to 3, as it is set in that hand; or a channel of its own",
            next_step=f"second_hand.device_id = {free}, or second_hand.can_channel",
        )


def _check_skins(rig: Rig, source: str) -> None:
    first, second = rig.skin, rig.skins["second_skin"]
    shared = sorted(set(_places(rig, "skin")) & set(_places(rig, "second_skin")))
    if shared:
        key = "url" if second.source == "xela_server" else "can_channels"
        raise ConfigError(
            f"rig {source}: second_skin.{key}",
            found=f"{shared[0]}, which is the first skin's ({first.name})",
            allowed="a server or buses of its own",
            next_step="start a second xela_server with its own .ini file and port"
            if key == "url"
            else "put the second kit on another bus",
        )


def _places(rig: Rig, table: str) -> Iterator[str]:
    """Where a skin's numbers come from."""
    skin = rig.skins[table]
    if skin.source == "xela_server":
        yield skin.url
    else:
        yield from skin.can_channels
