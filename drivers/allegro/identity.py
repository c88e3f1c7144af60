"""Is the hand that answers the hand that the rig file describes? Versions, side and type, by info frame and serial."""

from __future__ import annotations

import re

from drivers.allegro.codec import HandInfo
from drivers.allegro.scales import HandScale, hand_scale
from skin_teleop.errors import DeviceError
from skin_teleop.hand import is_v4
from skin_teleop.rig import HandConfig

_V5_SERIAL = re.compile(r"5.([AB])([RL])")
"""V5 manual: third character hardware type, fourth side; a public unit is 5TBR0017."""


def tells_v5(serial: str) -> bool:
    """Whether a serial number is that of a V5, which may answer this request alone."""
    return _V5_SERIAL.match(serial) is not None


def identified_scale(config: HandConfig, info: HandInfo | None, serial: str) -> HandScale:
    """The wire of the hand that answered; raises DeviceError when it is not the model of the rig file.

    Without info and serial number the rig file's `hardware_version` stands in, and the strictest limits stay.
    """
    sides = {"info": None if info is None or not is_v4(config.model) else "left" if info.is_left else "right"}
    if not is_v4(config.model) and (match := _V5_SERIAL.match(serial)):
        sides["serial number"] = "left" if match[2] == "L" else "right"
        _expect(config, f"type {config.model[-1].upper()}", f"type {match[1]}", f"serial number {serial}")
    elif is_v4(config.model) and tells_v5(serial):
        raise _other_hand(config, f"a V5, serial number {serial}")
    for source, side in sides.items():
        if side is not None:
            _expect(config, f"{config.model.split('_')[2]} hand", f"{side} hand", source)
    return hand_scale(config.model, None if info is None else info.hardware_version)


def _expect(config: HandConfig, asked: str, found: str, source: str) -> None:
    if asked != found:
        raise _other_hand(config, f"{found} (by its {source})")


def _other_hand(config: HandConfig, found: str) -> DeviceError:
    return DeviceError(
        f"the rig file says {config.model} on {config.can_channel!r}",
        found=found,
        next_step="set hand.model to the hand that is connected: joints, signs and torque scales differ",
    )
