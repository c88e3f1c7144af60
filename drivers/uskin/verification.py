"""Judges presses at known places: which pad's wires answered, and how that pad is turned or mirrored. Pure.

Two presses at neighbouring corners tell every turn and flip of a pad from every other one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.skin_mounting import PadMounting, carried_taxels, possible_mountings, seen_from_outside_m
from skin_teleop.transforms import Array

CLEARLY = 0.6
"""The best explanation must be off by less than this share of what the second best is off by."""
ALONE = 0.5
"""And the second pad must have answered with less than this share of the first one's counts."""
LEAST_SHARE = 0.3
"""Taxels that answered with less than this share of the strongest do not count for the place of a press."""


@dataclass(frozen=True, slots=True, eq=False)
class Press:
    """A press that was asked for, and what answered."""

    taxel: int
    """Canonical taxel at which it was asked for."""
    answer_counts: Array
    """(368,) change of Z of each taxel by the table's order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What presses on one pad say."""

    pad: str
    mounting: PadMounting | None
    """None where nothing can be proposed."""
    text: str


def corners(layout: SkinLayout, pad: Pad) -> tuple[int, int]:
    """The canonical taxels at the two lower corners of a pad, seen from outside with the fingertips up."""
    seen = seen_from_outside_m(layout, pad)
    left, right = (seen @ [-1.0, -1.0]).argmax(), (seen @ [1.0, -1.0]).argmax()
    return pad.first + int(left), pad.first + int(right)


def judge(layout: SkinLayout, pad: Pad, presses: list[Press]) -> Verdict:
    """Propose how a pad is mounted from presses on it, or say why nothing can be proposed."""
    strength = np.sum([press.answer_counts for press in presses], axis=0)  # (368,)
    of_pad = np.bincount(layout.pad_index, strength, len(layout.pads))  # (18,)
    second, first = np.argsort(of_pad)[-2:]
    carrier = layout.pads[first]
    if of_pad[second] > ALONE * of_pad[first]:
        return Verdict(pad.name, None, f"{carrier.name} and {layout.pads[second].name} answered together; press again")
    if carrier.kind != pad.kind:
        return Verdict(pad.name, None, f"{carrier.name} answered, which is no {pad.kind} pad; was another one pressed?")
    choices = possible_mountings(layout, pad, carrier.name)
    off_m = [_off_m(layout, pad, mounting, presses) for mounting in choices]
    order = np.argsort(off_m)
    best, other = off_m[order[0]], off_m[order[1]]
    if not best < CLEARLY * other:  # nor are two that are infinitely far off
        return Verdict(pad.name, None, f"no turn fits clearly ({best * 1e3:.1f} mm off, next {other * 1e3:.1f} mm)")
    mounting = choices[order[0]]
    return Verdict(pad.name, mounting, f"{described(pad.name, mounting)} ({best * 1e3:.1f} mm off)")


def described(name: str, mounting: PadMounting) -> str:
    """A mounting in words."""
    words = [f"on the wires of {mounting.carried_by}"] if mounting.carried_by not in ("", name) else []
    words += ["mirrored"] if mounting.mirrored else []
    words += [f"turned by {mounting.turn_deg} deg"] if mounting.turn_deg else []
    return ", ".join(words) or "as the table says"


def carried_twice(mounted: dict[str, PadMounting]) -> list[str]:
    """Pads whose verdicts name wires that another pad's verdict names too."""
    wires = [mounting.carried_by or name for name, mounting in mounted.items()]
    return [name for name, mounting in mounted.items() if wires.count(mounting.carried_by or name) > 1]


def _off_m(layout: SkinLayout, pad: Pad, mounting: PadMounting, presses: list[Press]) -> float:
    """Root mean square distance between where presses should answer and where they did, m."""
    carrier = layout.pad(mounting.carried_by)
    places = seen_from_outside_m(layout, carrier)
    carried = carried_taxels(layout, pad, mounting)
    if carried is None:
        return np.inf
    off = []
    for press in presses:
        answer = press.answer_counts[carrier.taxels]
        weight = np.where(answer < LEAST_SHARE * answer.max(), 0.0, answer)
        if not weight.sum() > 0:
            return np.inf  # this press was answered by other wires alone
        centre = weight @ places / weight.sum()
        off.append(centre - places[carried[press.taxel - pad.first] - carrier.first])
    return float(np.sqrt(np.mean(np.sum(np.square(off), axis=-1))))
