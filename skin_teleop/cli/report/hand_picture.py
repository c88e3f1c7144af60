"""The skin as a picture: a red dot at every taxel, a green blob for its normal signal, displaced by its shear.

The palm of a right hand is seen from in front, fingers up: ring, middle, index, thumb from left to right. Every pad
is drawn to scale in millimetres, spread apart a little so that none hides another.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.patches import FancyBboxPatch

from skin_teleop.cli.report.colours import FAINT, GREEN, GRID, PANEL
from skin_teleop.skin_layout import Pad, SkinLayout
from skin_teleop.transforms import Array

COUNTS_PER_MM_SHEAR = 250.0
BLOB_MM_AT_1000_COUNTS = 5.5
TAXEL_RED = "#e5484d"

_PLACES: dict[str, tuple[float, float]] = {
    "2aftc": (-44, 150), "link_10": (-44, 110), "link_9A": (-44, 80), "link_9B": (-44, 52),
    "1aftc": (0, 150), "link_6": (0, 110), "link_5A": (0, 80), "link_5B": (0, 52),
    "0aftc": (44, 150), "link_2": (44, 110), "link_1A": (44, 80), "link_1B": (44, 52),
    "3aftc": (92, 70), "link_15": (92, 30), "link_14": (92, 2),
    "ahr_palm_2": (22.6, 8), "ahr_palm_1": (-22.6, 8), "ahr_palm_3": (-22.6, -26),
}  # fmt: skip
"""Where the middle of each pad is drawn, mm right and up."""


def taxel_places_mm(layout: SkinLayout) -> Array:
    """(368, 2) where each taxel is drawn, mm right and up."""
    out = np.zeros((len(layout.pad_index), 2))
    for pad in layout.pads:
        local = layout.positions_m["vendor"][pad.taxels][:, 1:] * 1000  # link y is the thumb side, link z distal
        out[pad.taxels] = local - local.mean(0) + _PLACES[pad.name]
    return out


def shear_on_paper(layout: SkinLayout, delta_counts: Array) -> Array:
    """(368, 2) shear of delta counts (368, 3) as right and up, counts."""
    out = np.zeros((len(layout.pad_index), 2))
    for pad in layout.pads:
        out[pad.taxels] = (delta_counts[pad.taxels, :2] @ pad.rotation[:, :2].T)[:, 1:]
    return out


def draw_hand(axes: Axes, layout: SkinLayout, delta_counts: Array, title: str) -> None:
    """Draw one moment of the skin; `delta_counts` (368, 3) are counts minus baseline, z positive under pressure."""
    places = taxel_places_mm(layout)
    for pad in layout.pads:
        _draw_pad(axes, pad, places)
    shift = shear_on_paper(layout, delta_counts) / COUNTS_PER_MM_SHEAR
    length = np.linalg.norm(shift, axis=-1, keepdims=True)
    shift = shift * np.minimum(1, 6.0 / np.maximum(length, 1e-9))  # at most 6 mm, so that pads stay apart
    diameter = BLOB_MM_AT_1000_COUNTS * 2 * np.sqrt(np.clip(delta_counts[:, 2], 0, 6000) / 1000)
    visible = diameter > 0.9
    blobs = EllipseCollection(
        diameter[visible], diameter[visible], np.zeros(visible.sum()), units="xy",
        offsets=(places + shift)[visible], offset_transform=axes.transData, facecolor=GREEN, alpha=0.42, zorder=3,
    )  # fmt: skip
    axes.add_collection(blobs)
    axes.add_collection(
        LineCollection(np.stack([places, places + shift], 1)[visible], colors=GREEN, linewidths=0.8, zorder=4)
    )
    axes.scatter(*places.T, s=3.5, color=TAXEL_RED, zorder=5, linewidths=0)
    axes.set(xlim=(-72, 122), ylim=(-52, 178), aspect="equal", title=title)
    axes.set_xlabel("mm")
    axes.grid(visible=False)


def _draw_pad(axes: Axes, pad: Pad, places: Array) -> None:
    low, high = places[pad.taxels].min(0) - 3.5, places[pad.taxels].max(0) + 3.5
    box = FancyBboxPatch(
        low, *(high - low), boxstyle="round,pad=0,rounding_size=3", facecolor=PANEL, edgecolor=GRID, linewidth=1.0
    )
    axes.add_patch(box)
    axes.text(low[0] + 1, low[1] - 1, pad.name, color=FAINT, fontsize=5.5, va="top")
