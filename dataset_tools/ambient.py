"""Tell touch from the ambient magnetic field in skin signals.

The earth's field turns with the hand and shifts every taxel of a pad by the same vector of the pad's frame. A touch
shifts few taxels, so the median over a pad estimates the field without the touch.
"""

from __future__ import annotations

import numpy as np

from skin_teleop.skin_layout import SkinLayout, taxel_frames
from skin_teleop.transforms import Array

GAIN_SPREAD = 0.1
"""Guess: how much the gains of a pad's taxels differ; so much of the field stays behind on each taxel."""


def split_ambient(delta_counts: Array, layout: SkinLayout) -> tuple[Array, Array]:
    """Changes from rest (T, 368, 3), counts in the taxels' frames, as touch (T, 368, 3) and field (T, 18, 3).

    The field is each pad's median in the pad's frame; the touch is what it leaves, in the taxels' frames.
    """
    frames = taxel_frames(layout).astype(np.float32)  # (368, 3, 3), pad to taxel
    touch = np.empty_like(delta_counts)
    field = np.empty((len(delta_counts), len(layout.pads), 3), delta_counts.dtype)
    for pad in layout.pads:
        turn = frames[pad.taxels]
        in_pad = np.einsum("kji,tkj->tki", turn, delta_counts[:, pad.taxels])
        field[:, pad.index] = np.median(in_pad, axis=1)
        touch[:, pad.taxels] = np.einsum("kij,tkj->tki", turn, in_pad - field[:, pad.index, None])
    return touch, field


def left_behind(field_counts: Array, layout: SkinLayout) -> Array:
    """Counts (T, 368) by which a field (T, 18, 3) may still show on each taxel, because gains differ."""
    strength: Array = GAIN_SPREAD * np.linalg.norm(field_counts, axis=-1)[:, layout.pad_index]
    return strength
