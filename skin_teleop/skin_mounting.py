"""How the pads of a real skin are mounted: which pad's wires carry which pad, and how each one is turned. It is data.

The table of a layout assumes one mounting; a set-up may differ (a pad turned by half a turn, two plugs swapped).
`skin-teleop verify-skin` finds it by touch and writes a TOML file, the rig key `skin.pad_map` names that file:

    layout = "xela_ah_right"

    [pads.ahr_palm_2]
    turn_deg = 180

A mounting moves whole taxels, never a count: X, Y and Z stay as sent, in the axes of the sensor that measured them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import Pad, SkinLayout, skin_layout
from skin_teleop.transforms import Array

SAME_PLACE_M = 0.0015
"""Two taxels closer than this are at the same place; the smallest pitch is 4.67 mm."""
KEYS = {"carried_by", "turn_deg", "mirrored"}
TURNS_DEG: tuple[Literal[0, 90, 180, 270], ...] = (0, 90, 180, 270)


@dataclass(frozen=True, slots=True)
class PadMounting:
    """A taxel at point p of a pad is read where the table expects the point that this turns p into."""

    carried_by: str = ""
    """Pad whose place on the wire carries this pad's values; empty for its own."""
    turn_deg: Literal[0, 90, 180, 270] = 0
    """Counter-clockwise, seen from outside with the fingertips up."""
    mirrored: bool = False
    """Left and right exchanged, before the turn."""

    def turned(self, points_m: Array) -> Array:
        """Points (n, 2) as seen from outside, mirrored and turned about the pad's middle."""
        flip = np.diag([-1.0 if self.mirrored else 1.0, 1.0])
        cos, sin = np.round([np.cos(np.deg2rad(self.turn_deg)), np.sin(np.deg2rad(self.turn_deg))])
        out: Array = points_m @ (np.array([[cos, -sin], [sin, cos]]) @ flip).T
        return out


def seen_from_outside_m(layout: SkinLayout, pad: Pad) -> Array:
    """Taxels (n, 2) of a pad to the right and up, m, fingertips up, from the middle of the area that they span.

    On every link the pads face +x and the fingertips lie in +z (vendor geometry), so right is +y and up is +z.
    """
    points = layout.positions_m["vendor"][pad.taxels, 1:]
    out: Array = points - (points.min(0) + points.max(0)) / 2
    return out


def carried_taxels(layout: SkinLayout, pad: Pad, mounting: PadMounting) -> Array | None:
    """(n,) taxels whose place on the wire carries a pad's taxels; None where such a mounting cannot be."""
    carrier = layout.pad(mounting.carried_by or pad.name)
    if carrier.kind != pad.kind:
        return None
    wanted_m = mounting.turned(seen_from_outside_m(layout, pad))
    distance_m = np.linalg.norm(wanted_m[:, None] - seen_from_outside_m(layout, carrier), axis=-1)  # (n, n)
    nearest = distance_m.argmin(1)
    fits = distance_m.min(1).max() < SAME_PLACE_M and len(set(nearest.tolist())) == pad.count
    return carrier.first + nearest if fits else None


def possible_mountings(layout: SkinLayout, pad: Pad, carrier: str) -> list[PadMounting]:
    """Every turn and flip that brings a pad's taxels onto the places of a carrier's taxels."""
    every = [PadMounting(carrier, turn, mirrored) for mirrored in (False, True) for turn in TURNS_DEG]
    return [mounting for mounting in every if carried_taxels(layout, pad, mounting) is not None]


def mounted_taxels(layout: SkinLayout, mounted: Mapping[str, PadMounting]) -> Array:
    """(368,) for each canonical taxel the one whose place on the wire, by the table, carries it.

    Raises ConfigError for an unknown pad, for a turn that does not fit a pad, and for two pads on one's wires.
    """
    carried = np.arange(len(layout.pad_index))
    for name, mounting in mounted.items():
        pad = layout.pad(name)
        taxels = carried_taxels(layout, pad, mounting)
        if taxels is None:
            fitting = [
                f"{m.turn_deg}{' mirrored' if m.mirrored else ''}" for m in possible_mountings(layout, pad, name)
            ]
            raise ConfigError(
                f"pad {name} cannot be mounted like this",
                found=f"{mounting}",
                allowed=f"on the wires of a {pad.kind} pad, turned by {', '.join(fitting)}",
            )
        carried[pad.taxels] = taxels
    if len(set(carried.tolist())) != len(carried):
        twice = {layout.pads[layout.pad_index[k]].name for k in carried if (carried == k).sum() > 1}
        raise ConfigError("every pad should be carried once", found=f"{', '.join(sorted(twice))} carries two pads")
    return carried


def read_pad_map(file: str, layout_name: str) -> dict[str, PadMounting]:
    """The mountings in a file; raises ConfigError when it is not usable for a layout."""
    try:
        plain = tomllib.loads(Path(file).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"skin.pad_map {file!r} cannot be read", found=str(error), next_step="skin-teleop verify-skin --rig RIG"
        ) from error
    if plain.get("layout") != layout_name or set(plain) != {"layout", "pads"}:
        raise ConfigError(
            f"{file}: pads of layout {layout_name} were expected",
            found=f"layout {plain.get('layout')!r}, tables {', '.join(sorted(plain))}",
            allowed=f'layout = "{layout_name}" and tables [pads.NAME]',
        )
    try:
        tables = msgspec.convert(plain["pads"], dict[str, dict[str, Any]])
        mounted = msgspec.convert(tables, dict[str, PadMounting])
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file} has a wrong value", found=str(error)) from error
    for name, table in tables.items():
        if unknown := set(table) - KEYS:
            raise ConfigError(f"{file}: pad {name}", found=", ".join(unknown), allowed=", ".join(sorted(KEYS)))
    mounted_taxels(skin_layout(layout_name), mounted)
    return mounted


def write_pad_map(file: Path, layout_name: str, mounted: Mapping[str, PadMounting], note: str) -> None:
    """Write what `read_pad_map` reads, with one line of comment above it."""
    lines = [f"# {note}", f'layout = "{layout_name}"', "" if mounted else "[pads]"]
    for name, mounting in mounted.items():
        lines += [f"[pads.{name}]", f'carried_by = "{mounting.carried_by or name}"']
        lines += [f"turn_deg = {mounting.turn_deg}", f"mirrored = {str(mounting.mirrored).lower()}", ""]
    file.write_text("\n".join(lines))
