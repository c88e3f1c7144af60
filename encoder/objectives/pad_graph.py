"""Distances along the skin, and connected regions of taxels grown on them.

Taxels are neighbours on their own pad; every pad is joined to its nearest pads at the flat hand. A region grown on
this graph is a patch of skin that a contact could cover, unlike a block of the flat taxel order.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from skin_teleop.hand import hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

_NEIGHBOURS = 6
_NEAREST_PADS = 3
_RAGGED = 0.6
"""Distances are stretched at random by up to 1 +- 0.3, so that a region's edge is not always the same."""


def grow_regions(shape: tuple[int, int], share: tuple[float, float], generator: torch.Generator) -> Tensor:
    """(R, B, M) int64 taxels of regions grown from random seeds; M is a share of all taxels, drawn once a batch."""
    low, high = share
    drawn = low + (high - low) * torch.rand(1, generator=generator).item()
    seeds = torch.randint(N_TAXELS, shape, generator=generator)
    stretch = 1 + _RAGGED * (torch.rand(*shape, N_TAXELS, generator=generator) - 0.5)
    return (taxel_distance_m()[seeds] * stretch).topk(max(1, round(drawn * N_TAXELS)), largest=False).indices


@functools.cache
def taxel_distance_m() -> Tensor:
    """(368, 368) float32 shortest way along the skin's graph, m; 0 on the diagonal. By Floyd and Warshall."""
    layout = skin_layout()
    place = layout.positions_in_palm_m(hand_posture(hand_model("allegro_v4_right"), np.zeros(16)))  # (368, 3)
    straight = np.linalg.norm(place[:, None] - place, axis=-1)  # (368, 368)
    way = np.where(_joined(straight, layout.pad_index), straight, np.inf)
    np.fill_diagonal(way, 0)
    for between in range(N_TAXELS):
        np.minimum(way, way[:, between, None] + way[between], out=way)
    return torch.from_numpy(way).float()


def _joined(straight: Array, pad_of_taxel: Array) -> Array:
    """(368, 368) bool edges: nearest neighbours on a pad, and the closest pair of taxels of neighbouring pads."""
    same = pad_of_taxel[:, None] == pad_of_taxel
    on_pad = np.where(same, straight, np.inf)
    edges = np.zeros_like(same)
    np.put_along_axis(edges, np.argsort(on_pad, 1, kind="stable")[:, 1 : _NEIGHBOURS + 1], True, 1)
    pads = range(pad_of_taxel.max() + 1)
    for pad in pads:
        gaps = [straight[np.ix_(pad_of_taxel == pad, pad_of_taxel == other)].min() for other in pads]
        for other in np.argsort(gaps, kind="stable")[1 : _NEAREST_PADS + 1]:
            ours, theirs = np.flatnonzero(pad_of_taxel == pad), np.flatnonzero(pad_of_taxel == other)
            gap = straight[np.ix_(ours, theirs)]
            row, column = np.unravel_index(gap.argmin(), gap.shape)
            edges[ours[row], theirs[column]] = True
    both: Array = edges | edges.T
    return both
