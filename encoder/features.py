"""Feature sets that the probe compares: the frozen encoder's tokens and plain statistics of each pad."""

from __future__ import annotations

import numpy as np
import torch

from encoder.model import SparshSkinEncoder
from encoder.windows import TactileWindows
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

_BATCH = 32


@torch.no_grad()
def encoder_features(encoder: SparshSkinEncoder, windows: TactileWindows, rows: Array) -> Array:
    """(n, 19 d) float64: mean patch token of each of the 18 pads, then the summary token."""
    was_training = encoder.training
    encoder.eval()
    parts = []
    for first in range(0, len(rows), _BATCH):
        batch = windows.gather(rows[first : first + _BATCH])
        tokens = encoder(batch.flux, batch.position_m, batch.valid)
        pads = [tokens.patches[:, encoder.tokens.pad == pad.index].mean(1) for pad in skin_layout().pads]
        parts.append(torch.cat([*pads, tokens.summary], -1).double().numpy())
    encoder.train(was_training)
    return np.concatenate(parts)


def raw_features(windows: TactileWindows, rows: Array) -> Array:
    """(n, 216) float64: mean, maximum, minimum and deviation of the flux change per pad and axis, over the window."""
    parts = []
    for first in range(0, len(rows), _BATCH):
        flux = windows.gather(rows[first : first + _BATCH]).flux.double().numpy()  # (B, 10, 368, 3)
        for_pads = [flux[:, :, pad.taxels] for pad in skin_layout().pads]
        figures = [
            np.stack([pad.mean((1, 2)), pad.max((1, 2)), pad.min((1, 2)), pad.std((1, 2))], 1) for pad in for_pads
        ]
        parts.append(np.stack(figures, 1).reshape(len(flux), -1))
    return np.concatenate(parts)


def untrained(like: SparshSkinEncoder, seed: int) -> SparshSkinEncoder:
    """The same architecture and input statistics, untrained; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = SparshSkinEncoder(like.size)
    fresh.set_statistics(like.flux_mean, like.flux_std)
    return fresh
