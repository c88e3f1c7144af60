"""Hide taxels of a window from the student, whatever a token stands for: what is left of a token is still seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from encoder.ranks import own_part
from encoder.tokens import TokenTable


@dataclass(frozen=True, eq=False)
class Hidden:
    """A batch of folded windows without its hidden taxels, and what there is to guess."""

    seen: Tensor
    """(B, N, F) folded windows in which hidden taxels are missing (NaN)."""
    keep: Tensor
    """(B, K) int64 tokens of which something is left, filled up with empty ones to the batch's largest number."""
    asked: Tensor
    """(B, M) int64 tokens of which something is hidden, filled up likewise."""
    slots: Tensor
    """(B, M, S) bool, which taxels of the asked tokens are hidden."""


def hide(folded: Tensor, taxels: Tensor, tokens: TokenTable) -> Hidden:
    """Hide `taxels` bool, drawn for the windows of all ranks, in this rank's folded windows (B, N, F).

    A token of a single taxel is hidden whole, and costs nothing; a pad's token keeps the taxels that are left.
    """
    drawn = tokens.slots(taxels.to(folded.device))  # (B of all ranks, N, S)
    keep = own_part(_where((tokens.occupied.to(drawn.device) & ~drawn).any(-1)))
    asked = own_part(_where(drawn.any(-1)))
    slots = own_part(drawn)  # (B, N, S)
    by_taxel = folded.view(*slots.shape, -1)  # (B, N, S, 60)
    seen = by_taxel.masked_fill(slots[..., None], torch.nan).flatten(2)
    return Hidden(seen, keep, asked, slots.gather(1, asked[..., None].expand(-1, -1, slots.shape[-1])))


def _where(wanted: Tensor) -> Tensor:
    """(B, K) int64 indices of the true values of (B, N) bool first, K the most that any row has."""
    most = int(wanted.sum(1).max())
    return wanted.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :most]
