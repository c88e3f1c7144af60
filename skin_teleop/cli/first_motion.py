"""`skin-teleop up --first-motion`: what a person confirms before a new hand moves for the first time."""

from __future__ import annotations

import dataclasses
from typing import Any

from drivers.allegro.first_motion import FIRST_SHARE, RAMP_S
from skin_teleop.errors import ConfigError
from skin_teleop.rig import Rig

WORD = "ready"


def confirm_first_motion(rig: Rig) -> Rig:
    """The rig with its torque ramped, once the person at the keyboard has typed the word; else raises ConfigError."""
    for hand in rig.hands.values():
        print(f"first motion of {hand.model} on {hand.can_channel}, id {hand.device_id}:")
    print("  - the hand's power switch is in reach, nothing and nobody is within the reach of its fingers")
    print(f"  - every torque limit starts at {FIRST_SHARE:.0%} and rises to 100 % over {RAMP_S:.0f} s of following")
    print("  - move one finger at a time; if a joint turns the wrong way, press the power switch")
    try:
        answer = input(f"type {WORD} to go on: ").strip()
    except EOFError:
        answer = ""
    if answer != WORD:
        raise ConfigError("first motion was not confirmed", found=repr(answer), allowed=WORD)
    ramped: dict[str, Any] = {table: dataclasses.replace(hand, first_motion=True) for table, hand in rig.hands.items()}
    return dataclasses.replace(rig, **ramped)
