"""The projection head: an MLP to a bottleneck on the unit sphere, then similarity with K prototypes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PrototypeHead(nn.Module):
    """Three-layer GELU MLP, L2 norm, weight-normed linear without bias (DINO, arXiv 2104.14294, section 3.1)."""

    def __init__(self, width: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.trunc_normal_(self.prototypes, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, d) tokens to (N, K) cosine similarities with the prototypes."""
        return functional.linear(
            functional.normalize(self.mlp(tokens), dim=-1), functional.normalize(self.prototypes, dim=-1)
        )
