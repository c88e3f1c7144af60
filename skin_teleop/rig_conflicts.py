"""What two devices of a rig cannot share: the name of a stream, a bus, a serial port, a skin server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skin_teleop.errors import ConfigError
from skin_teleop.frames import STREAM_NAME

if TYPE_CHECKING:
    from skin_teleop.rig import HandConfig, Rig, SkinConfig

OWN_STREAMS = ("events", "hand_pose", "truth", "clock_headset")
"""Streams of every rig, whatever its devices are called."""
SERIAL = "slcan"
"""The interface that is a serial port: two processes on one would take each other's bytes."""

Bus = tuple[str, str]
"""Interface and channel."""


def check_conflicts(rig: Rig, source: str) -> None:
    """Raise ConfigError with the key to change where two devices would be in each other's way."""
    _check_streams(rig, source)
    if rig.second_hand is not None:
        _check_two_hands(rig.hand, rig.second_hand, source)
    for table, skin in rig.skins.items():
        _check_hands_and_skin(rig, table, skin, source)
    if rig.second_skin is not None:
        _check_two_skins(rig.skin, rig.second_skin, source)


def _streams(rig: Rig) -> Iterator[tuple[str, str]]:
    """Key of the rig file and a stream that is called by it."""
    for table, hand in rig.hands.items():
        own = (hand.name, f"{hand.name}_health", f"{hand.name}_target", rig.wrist_stream(table))
        yield from ((f"{table}.name", stream) for stream in own)
    for table, skin in rig.skins.items():
        yield from ((f"{table}.name", stream) for stream in (skin.name, f"{skin.name}_health", f"clock_{skin.name}"))
    if rig.encoder is not None:
        yield "encoder.name", rig.encoder.name


def _check_streams(rig: Rig, source: str) -> None:
    """The recorder refuses a stream that is wrongly called, and rows of another shape under a name that is taken."""
    taken = dict.fromkeys(OWN_STREAMS, "a stream of every rig")
    for key, stream in _streams(rig):
        if not STREAM_NAME.fullmatch(stream):
            raise ConfigError(
                f"rig {source}: {key}",
                found=f"{stream!r} as the name of a stream",
                allowed="a small letter, then small letters, digits and _, 64 characters in all",
            )
        if stream in taken:
            raise ConfigError(
                f"rig {source}: {key}",
                found=f"{stream}, which is {taken[stream]}",
                allowed="a name of its own: the device's streams are called by it",
                next_step=f'{key} = "{stream}_2"',
            )
        taken[stream] = f"a stream of {key} too"


def _check_two_hands(first: HandConfig, second: HandConfig, source: str) -> None:
    if not _may_be_one(_bus_of(first), _bus_of(second)):
        return
    if first.can_interface == SERIAL:
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


def _check_hands_and_skin(rig: Rig, table: str, skin: SkinConfig, source: str) -> None:
    """A taxel's frame may have the id of a finger's pose, and the hand would move by it."""
    for worn, hand in rig.hands.items():
        for bus in _buses_of(skin):
            if _may_be_one(_bus_of(hand), bus):
                raise ConfigError(
                    f"rig {source}: {table}.can_channels",
                    found=f"{bus[1]}, which is {worn}.can_channel, or may be",
                    allowed="buses without a hand: their frames have the same ids",
                    next_step="put the kit on a bus of its own, and name both adapters",
                )


def _check_two_skins(first: SkinConfig, second: SkinConfig, source: str) -> None:
    if first.source == second.source == "xela_server" and first.url == second.url:
        raise ConfigError(
            f"rig {source}: second_skin.url",
            found=f"{second.url}, which is the first skin's ({first.name})",
            allowed="a server or buses of its own",
            next_step="start a second xela_server with its own .ini file and port",
        )
    shared = [bus[1] for bus in _buses_of(second) if any(_may_be_one(bus, other) for other in _buses_of(first))]
    if shared:
        raise ConfigError(
            f"rig {source}: second_skin.can_channels",
            found=f"{min(shared)}, which is the first skin's ({first.name})",
            allowed="a server or buses of its own",
            next_step="put the second kit on another bus",
        )


def _bus_of(hand: HandConfig) -> Bus:
    return hand.can_interface, hand.can_channel


def _buses_of(skin: SkinConfig) -> list[Bus]:
    return [(skin.can_interface, channel) for channel in skin.can_channels] if skin.source == "raw_can" else []


def _may_be_one(one: Bus, other: Bus) -> bool:
    """Whether two channels are one bus, or may be: `usb` of slcan is whichever adapter is plugged in, and
    `usb:VVVV:PPPP` whichever of its kind.
    """
    if not one[0] == other[0] == SERIAL:
        return one == other
    ports = [channel.lower().partition("@")[0] for _, channel in (one, other)]  # @ and a speed, as python-can reads it
    less, more = sorted(ports, key=len)
    return less in ("usb", more) or more.startswith(f"{less}:")
