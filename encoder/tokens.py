"""What one token stands for: a single taxel (as in Sparsh-skin) or a whole pad (18 tokens, for inference on a CPU)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from encoder.presets import TokenUnit
from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import skin_layout

PAD_KINDS = ("4x4", "4x6", "curved")
_PAD_SLOTS = 30
"""Taxels of the largest pad, the curved fingertip; smaller pads leave their last slots empty."""
_TAXEL_WIDTH = 32
"""What a taxel's 60 numbers are brought down to before a pad's taxels are joined: the patch stays linear and small."""


class TokenTable:
    """Which taxels, pad and kind of pad belong to each of the N tokens."""

    def __init__(self, unit: TokenUnit) -> None:
        layout = skin_layout()
        pad_of_taxel = torch.from_numpy(layout.pad_index).long()
        if unit == "taxel":
            self.taxels = torch.arange(N_TAXELS)[:, None]
            """(N, S) int64 taxel in each slot of each token, 368 where the slot is empty."""
            self.pad = pad_of_taxel
            """(N,) pad of each token."""
            self.of_taxel = torch.arange(N_TAXELS)
            """(368,) token of each taxel."""
        else:
            slots = torch.arange(_PAD_SLOTS)
            self.taxels = torch.stack(
                [torch.where(slots < pad.count, pad.first + slots, N_TAXELS) for pad in layout.pads]
            )
            self.pad = torch.arange(len(layout.pads))
            self.of_taxel = pad_of_taxel
        self.kind = torch.tensor([PAD_KINDS.index(pad.kind) for pad in layout.pads])[self.pad]
        """(N,) index into PAD_KINDS."""

    def __len__(self) -> int:
        return len(self.taxels)

    def gather(self, values: Tensor) -> Tensor:
        """(B, N, S * F) what each token is made of, from values of taxels (B, 368, F); empty slots are NaN."""
        if self.taxels.shape[1] == 1:
            return values
        empty = values.new_full((len(values), 1, values.shape[-1]), torch.nan)
        with_empty = torch.cat([values, empty], 1)  # (B, 369, F)
        return with_empty[:, self.taxels].flatten(2)

    def slots(self, taxels: Tensor) -> Tensor:
        """(B, N, S) bool, the flags of taxels (B, 368) bool in the slots of the tokens; False where a slot is empty."""
        with_empty = torch.cat([taxels, taxels.new_zeros(len(taxels), 1)], 1)  # (B, 369)
        return with_empty[:, self.taxels.to(taxels.device)]

    @property
    def occupied(self) -> Tensor:
        """(N, S) bool, False where a slot holds no taxel."""
        return self.taxels < N_TAXELS


class PadPatch(nn.Module):
    """Linear patch of a whole pad in two factors: the same few numbers from every taxel, then all of them together."""

    def __init__(self, taxel_features: int, width: int) -> None:
        super().__init__()
        self.taxel = nn.Linear(taxel_features, _TAXEL_WIDTH)
        self.pad = nn.Linear(_PAD_SLOTS * _TAXEL_WIDTH, width)

    def forward(self, folded: Tensor) -> Tensor:
        """(..., 30 * F) to (..., d); a taxel that is missing (NaN) and an empty slot add nothing."""
        slots = folded.view(*folded.shape[:-1], _PAD_SLOTS, -1)  # (..., 30, F)
        missing = slots[..., :1].isnan()
        taxels = self.taxel(slots.nan_to_num()).masked_fill(missing, 0)  # (..., 30, 32)
        joined: Tensor = self.pad(taxels.flatten(-2))
        return joined
