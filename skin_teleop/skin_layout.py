"""The uSkin layout of the Allegro kit: 18 pads, 368 taxels, their order on the wire and their place on the hand.

Canonical order is pad by pad as in the public Sparsh-skin data. The vendor's server 1.8 streams another, interleaved
order: never slice it by pad; `vendor_flat` is the permutation. The table's sources are written in its first lines.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

from skin_teleop.errors import ConfigError
from skin_teleop.kinematics import HandPosture
from skin_teleop.transforms import Array, rotation_from_rpy

GEOMETRIES = ("vendor", "sparsh")
TABLES = {"xela_ah_right": "taxels_allegro_right.csv", "xela_ah_left": "taxels_allegro_left.csv"}


@dataclass(frozen=True, eq=False)
class Pad:
    """One sensor pad: where it sits and which canonical taxels are on it."""

    index: int
    name: str
    kind: str
    """`curved` (fingertip, 30), `4x4` (16) or `4x6` (24)."""
    link: str
    """`link_0` .. `link_15` or `palm`."""
    module: int
    """Vendor's module number, 10 * finger + position."""
    first: int
    count: int
    position_m: Array
    """(3,) pad origin in the link frame, m: the mean of its taxels (vendor geometry)."""
    rotation: Array
    """(3, 3) pad frame to link frame; z is the outward normal of the pad."""

    @property
    def taxels(self) -> slice:
        """The pad's taxels in canonical order."""
        return slice(self.first, self.first + self.count)


@dataclass(frozen=True, eq=False)
class SkinLayout:
    """All taxels of one hand in canonical order."""

    name: str
    pads: tuple[Pad, ...]
    pad_index: Array
    """(368,) pad of each taxel."""
    link_index: Array
    """(368,) 0..15 for link_k, -1 for the palm."""
    vendor_flat: Array
    """(368,) index of each canonical taxel in the vendor server's frame."""
    vendor_taxel: Array
    """(368,) vendor's taxel number within its module, from 1."""
    positions_m: dict[str, Array]
    """geometry name to (368, 3) positions in the link frame, m."""
    normals: Array
    """(368, 3) outward unit normals in the link frame (vendor geometry)."""
    pairing: str
    """`assumed` until touch-to-verify has confirmed which taxel is which on hardware, then `verified`."""

    def to_canonical(self, vendor_values: Array) -> Array:
        """Values (..., 368, ...) on axis 0 from the vendor's interleaved order to canonical order."""
        return vendor_values[self.vendor_flat]

    def to_vendor(self, canonical_values: Array) -> Array:
        """Values on axis 0 from canonical order to the vendor's interleaved order."""
        out = np.empty_like(canonical_values)
        out[self.vendor_flat] = canonical_values
        return out

    def pad(self, name: str) -> Pad:
        """A pad by its name; raises ConfigError for an unknown one."""
        for pad in self.pads:
            if pad.name == name:
                return pad
        raise ConfigError(f"pad {name!r} was asked for", allowed=", ".join(p.name for p in self.pads))

    def positions_in_palm_m(self, posture: HandPosture, geometry: str = "vendor") -> Array:
        """Taxel positions (..., 368, 3) in the palm frame for a hand posture of any batch shape, m."""
        return _to_palm(self.link_index, self.positions_m[geometry], posture, with_origin=True)

    def normals_in_palm(self, posture: HandPosture) -> Array:
        """Outward taxel normals (..., 368, 3) in the palm frame."""
        return _to_palm(self.link_index, self.normals, posture, with_origin=False)


def _to_palm(link_index: Array, local: Array, posture: HandPosture, *, with_origin: bool) -> Array:
    batch = posture.link_position_m.shape[:-2]
    out = np.empty((*batch, *local.shape))
    out[..., link_index < 0, :] = local[link_index < 0]  # on the palm itself
    for link in np.unique(link_index[link_index >= 0]):
        on_link = link_index == link
        turned = local[on_link] @ posture.link_rotation[..., link, :, :].swapaxes(-1, -2)  # (..., taxels, 3)
        out[..., on_link, :] = turned + posture.link_position_m[..., link, None, :] if with_origin else turned
    return out


@functools.cache
def skin_layout(name: str = "xela_ah_right") -> SkinLayout:
    """Load a layout by name; raises ConfigError for an unknown one."""
    if name not in TABLES:
        raise ConfigError(f"skin layout {name!r} was asked for", allowed=", ".join(sorted(TABLES)))
    text = (resources.files("skin_teleop") / "tables" / TABLES[name]).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))

    def numbers(*columns: str) -> Array:
        return np.array([[float(row[c]) for c in columns] for row in rows])

    links = [row["link"] for row in rows]
    vendor = numbers("vendor_x_m", "vendor_y_m", "vendor_z_m")
    normals = numbers("normal_x", "normal_y", "normal_z")
    return SkinLayout(
        name=name,
        pads=_pads(rows, vendor),
        pad_index=np.array([int(row["pad_index"]) for row in rows]),
        link_index=np.array([-1 if link == "palm" else int(link.removeprefix("link_")) for link in links]),
        vendor_flat=np.array([int(row["vendor_flat"]) for row in rows]),
        vendor_taxel=np.array([int(row["vendor_taxel"]) for row in rows]),
        positions_m={"vendor": vendor, "sparsh": numbers("sparsh_x_m", "sparsh_y_m", "sparsh_z_m")},
        normals=normals / np.linalg.norm(normals, axis=-1, keepdims=True),
        pairing="assumed" if any(row["pairing"] == "assumed" for row in rows) else "verified",
    )


def _pads(rows: list[dict[str, str]], vendor_m: Array) -> tuple[Pad, ...]:
    pads = []
    for index in range(int(rows[-1]["pad_index"]) + 1):
        members = [k for k, row in enumerate(rows) if int(row["pad_index"]) == index]
        row = rows[members[0]]
        rpy = np.deg2rad([float(row[f"pad_{axis}_deg"]) for axis in ("roll", "pitch", "yaw")])
        pads.append(
            Pad(
                index=index,
                name=row["pad"],
                kind=row["kind"],
                link=row["link"],
                module=int(row["module"]),
                first=members[0],
                count=len(members),
                position_m=vendor_m[members].mean(0),
                rotation=rotation_from_rpy(rpy),
            )
        )
    return tuple(pads)


def taxel_frames(layout: SkinLayout) -> Array:
    """Rotations (368, 3, 3) from the pad frame to each taxel's own frame, z along its outward normal.

    On a flat pad both are the same; on a curved tip the smallest turn carries the pad's normal onto the taxel's.
    """
    frames = np.empty((len(layout.pad_index), 3, 3))
    for pad in layout.pads:
        for k in range(pad.first, pad.first + pad.count):
            frames[k] = _smallest_turn(layout.normals[k] @ pad.rotation).T
    return frames


def _smallest_turn(normal: Array) -> Array:
    """Rotation (3, 3) that carries z onto a unit vector (3,); the vector must not be -z."""
    axis = np.array([-normal[1], normal[0], 0.0])  # z cross normal
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn: Array = np.eye(3) + cross + cross @ cross / (1 + normal[2])
    return turn
