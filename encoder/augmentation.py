"""Pretend that a window was felt by another instance of the skin: other gains, offsets and axes, a pad unplugged.

No two skins answer alike (ReSkin, arXiv 2111.00071; AnySkin, arXiv 2409.08276, train for it). The spreads are choices,
not measurements: wider than what two taxels of one uSkin differ by, so that the encoder cannot rely on a gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from skin_teleop.skin_layout import skin_layout


@dataclass(frozen=True, slots=True)
class SkinInstance:
    """How far a made-up skin may differ from the recorded one; every window gets a skin of its own."""

    gain_spread: float = 0.2
    """Standard deviation of the logarithm of each taxel's gain."""
    offset_counts: float = 5.0
    """Standard deviation of each taxel and axis' error of the baseline, counts."""
    axis_mix: float = 0.1
    """Standard deviation of the share of each axis that leaks into another one of its taxel."""
    pad_dropout: float = 0.1
    """Probability that a pad is missing."""

    def felt(self, flux: Tensor, valid: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Flux (B, 10, 368, 3) in counts and validity (B, 368) as another skin would have given them."""
        batch, _, taxels, axes = flux.shape
        gain = torch.exp(self.gain_spread * torch.randn(batch, taxels, 1, 1, generator=generator))
        mix = torch.eye(axes) + self.axis_mix * torch.randn(batch, taxels, axes, axes, generator=generator) * (
            1 - torch.eye(axes)
        )
        offset = self.offset_counts * torch.randn(batch, 1, taxels, axes, generator=generator)
        pads = torch.from_numpy(skin_layout().pad_index).long()
        plugged = torch.rand(batch, len(skin_layout().pads), generator=generator) >= self.pad_dropout
        valid = valid & plugged[:, pads]
        changed = torch.einsum("btna,bnca->btnc", flux, gain * mix) + offset
        return changed * valid[:, None, :, None], valid
