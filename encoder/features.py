"""Feature sets that the probe compares: the frozen encoder's tokens and plain statistics of each pad."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from encoder.model import SparshSkinEncoder
from encoder.windows import TactileWindows
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

_BATCH = 32


@torch.no_grad()
def encoder_features(encoder: SparshSkinEncoder, windows: TactileWindows, rows: Array) -> list[Array]:
    """(n, 18 d) mean token of each pad before the first block; (n, 19 d) after the last one, with the summary; float64.

    Several layers are read, as is usual for frozen features (DINOv2, arXiv 2304.07193, section 7.1): the first still
    tells linearly how much was felt, the last what it means.
    """
    was_training = encoder.training
    encoder.eval()
    parts = []
    for first in range(0, len(rows), _BATCH):
        batch = windows.gather(rows[first : first + _BATCH])
        folded = encoder.fold(batch.flux, batch.position_m, batch.valid)
        tokens = encoder.encode(folded)
        layers = [_mean_of_pads(encoder, of_layer) for of_layer in (encoder.patches(folded), tokens.patches)]
        parts.append((layers[0], torch.cat([layers[1], tokens.summary], -1)))
    encoder.train(was_training)
    return [torch.cat(of_layer).double().numpy() for of_layer in zip(*parts, strict=True)]


def _mean_of_pads(encoder: SparshSkinEncoder, tokens: Tensor) -> Tensor:
    """(B, 18 d) from tokens (B, N, d)."""
    return torch.cat([tokens[:, encoder.tokens.pad == pad.index].mean(1) for pad in skin_layout().pads], -1)


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
