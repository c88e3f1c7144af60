"""The yardstick of `bench train`: the same objective, computed as the public release's recipe says it, plainly.

Crops are gathered and encoded one after another, with 8 local crops and 65,536 prototypes, in float32. It is not
offered for training: it gives the losses of `sparsh`, only later.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from encoder.model import SkinTokens
from encoder.objectives.sparsh import Network, SparshObjective
from encoder.presets import Recipe


def release_recipe(recipe: Recipe) -> Recipe:
    """The release's head and crops (arXiv 2505.11420, public configuration) on the size and batch of a recipe."""
    return replace(recipe, local_crops=8, head_hidden=2048, head_bottleneck=256, prototypes=65_536)


class ReleaseObjective(SparshObjective):
    """One forward pass for every crop."""

    @staticmethod
    def _encode(network: Network, folded: Tensor, keep: Tensor, masked: Tensor | None) -> SkinTokens:
        crops = [
            network.encoder.encode(folded, places, None if masked is None else masked[crop])
            for crop, places in enumerate(keep)
        ]
        return SkinTokens(torch.stack([crop.summary for crop in crops]), torch.stack([crop.patches for crop in crops]))
