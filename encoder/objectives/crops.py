"""Views of a window for self-distillation: contiguous blocks of tokens in the flat order, and masks inside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from encoder.ranks import own_part
from skin_teleop.messages import N_TAXELS

GLOBAL_CROPS = 2
GLOBAL_SHARE = (0.4, 1.0)
LOCAL_SHARE = (0.1, 0.4)
MASKED_SHARE = (0.1, 0.5)
"""Shares of all tokens in a crop, and of a crop's tokens behind the mask (Sparsh-skin's public configuration)."""


@dataclass(frozen=True, eq=False)
class Views:
    """Which tokens each view of each window shows."""

    wide: Tensor
    """(2, B, Kg) int64 tokens of the global crops."""
    narrow: Tensor
    """(L, B, Kl) int64 tokens of the local crops."""
    masked: Tensor
    """(2, B, Kg) bool, tokens of the global crops that the student must guess."""

    def of_rank(self, device: torch.device) -> Views:
        """This rank's part of views that were drawn for the batch of all ranks, on its device."""
        return Views(*(own_part(values, 1).to(device) for values in (self.wide, self.narrow, self.masked)))

    def without(self, missing: Tensor) -> Views:
        """The same views where nobody has to guess the missing ones (B, N) of a window's tokens."""
        absent = missing.expand(len(self.wide), -1, -1).gather(-1, self.wide)  # (2, B, Kg)
        return replace(self, masked=self.masked & ~absent)


def draw_views(batch: int, local_crops: int, generator: torch.Generator, tokens: int = N_TAXELS) -> Views:
    """Draw the views of a batch; the same generator state gives the same views.

    A crop's size is drawn once for the batch, its start for every window. The masked count is a share of the crop,
    not of all tokens: a share of 368 could hide a small crop completely.
    """
    wide = _blocks((GLOBAL_CROPS, batch), GLOBAL_SHARE, generator, tokens)
    narrow = _blocks((local_crops, batch), LOCAL_SHARE, generator, tokens)
    return Views(wide, narrow, draw_masks(wide.shape, generator))


def draw_masks(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """(crops, B, K) bool masks; each hides a share U(0.1, 0.5) of its own K tokens, at least one, at random places."""
    crops, batch, size = shape
    share = _uniform((crops, batch, 1), MASKED_SHARE, generator)
    count = (share * size).round().clamp(min=1)
    rank = torch.rand(crops, batch, size, generator=generator).argsort(-1).argsort(-1)
    return rank < count


def _blocks(shape: tuple[int, int], share: tuple[float, float], generator: torch.Generator, tokens: int) -> Tensor:
    size = max(2, int(_uniform((1,), share, generator).item() * tokens))
    start = torch.randint(0, tokens - size + 1, (*shape, 1), generator=generator)
    return start + torch.arange(size)


def _uniform(shape: tuple[int, ...], bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=generator)
