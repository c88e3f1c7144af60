"""The Sparsh-skin encoder: a vision transformer with one token per taxel, or one per pad.

After arXiv 2505.11420: ten frames of three magnetic and three position channels are folded into one token by a linear
patch, followed by LayerNorm; a learned position and one of three pad-type vectors are added; one register token serves
as summary. A pad's token goes without that LayerNorm: it takes away how strong a contact is, which the many tokens of
a pad's taxels still tell together, but a single one does not. Pre-norm blocks with GELU MLPs of ratio 4, no LayerScale.
Attention is torch's own, so that no CUDA-only package is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.hub import HubModel
from encoder.presets import EncoderSize
from encoder.tokens import PAD_KINDS, PadPatch, TokenTable
from encoder.windows import WINDOW_FRAMES

CHANNELS = 6
"""Three magnetic channels and the taxel's x, y, z in the palm frame."""
_NORM_EPS = 1e-6
_MLP_RATIO = 4


@dataclass(frozen=True, eq=False)
class SkinTokens:
    """What the encoder says about a batch of windows."""

    summary: Tensor
    """(B, d) the register token after the last LayerNorm."""
    patches: Tensor
    """(B, K, d) one token for every taxel (or pad) that was computed."""


class SparshSkinEncoder(nn.Module, HubModel):
    """Vision transformer over N tokens; may run on a subset of them, at the cost of that subset only.

    N is 368 where a token is a taxel and 18 where it is a pad (`size.tokens`); `tokens` says which is which.
    """

    flux_mean: Tensor
    flux_std: Tensor
    kind_of_token: Tensor

    def __init__(self, size: EncoderSize, drop_path: float = 0.0) -> None:
        super().__init__()
        width = size.width
        self.size = size
        self.tokens = TokenTable(size.tokens)
        taxel_features = WINDOW_FRAMES * CHANNELS
        self.patch = nn.Linear(taxel_features, width) if size.tokens == "taxel" else PadPatch(taxel_features, width)
        self.patch_norm = nn.LayerNorm(width, eps=_NORM_EPS) if size.tokens == "taxel" else nn.Identity()
        self.place = nn.Parameter(torch.empty(len(self.tokens), width))
        self.kind = nn.Parameter(torch.empty(len(PAD_KINDS), width))
        self.register_token = nn.Parameter(torch.empty(width))
        self.mask_token = nn.Parameter(torch.empty(width))
        self.blocks = nn.ModuleList(Block(size, drop_path) for _ in range(size.depth))
        self.norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.register_buffer("flux_mean", torch.zeros(3))
        self.register_buffer("flux_std", torch.ones(3))
        self.register_buffer("kind_of_token", self.tokens.kind, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Truncated normal of 0.02 for the blocks, 1e-6 for the register token, as in the release.

        The patch keeps torch's default, as the release's convolution does: its biases are what lets a token show how
        strong a signal is, for the LayerNorm behind it would take the scale of a purely linear one away.
        """
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for table in (self.place, self.kind, self.mask_token):
            nn.init.trunc_normal_(table, std=0.02)
        nn.init.normal_(self.register_token, std=1e-6)

    def set_statistics(self, mean_counts: Tensor, std_counts: Tensor) -> None:
        """Store the training set's mean and standard deviation (3,) per magnetic axis, counts."""
        self.flux_mean.copy_(mean_counts)
        self.flux_std.copy_(std_counts)

    def fold(self, flux: Tensor, position_m: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, N, F) what each token is made of, from flux counts and positions (B, 10, 368, 3).

        Flux is normalised; positions stay in metres, as in the release. F is 60 for each taxel of a token. A taxel
        that is not `valid` (B, 368) is NaN: it is missing, which is something else than a taxel without change.
        """
        normalised = (flux - self.flux_mean) / self.flux_std
        taxels = torch.cat([normalised, position_m], -1).transpose(1, 2).flatten(2)  # (B, 368, 60)
        if valid is not None:
            taxels = taxels.masked_fill(~valid[..., None], torch.nan)
        return self.tokens.gather(taxels)

    @staticmethod
    def flux_of(folded: Tensor) -> Tensor:
        """(B, N, S, 30) normalised flux in folded windows (B, N, F): ten frames of three axes for each of S taxels."""
        channels = folded.reshape(*folded.shape[:2], -1, WINDOW_FRAMES, CHANNELS)  # (B, N, S, 10, 6)
        return channels[..., :3].flatten(-2)

    def encode(self, folded: Tensor, keep: Tensor | None = None, masked: Tensor | None = None) -> SkinTokens:
        """Encode folded windows (B, N, F).

        `keep` (B, K) int64 names the tokens to compute, all when None. `masked` (B, K) bool hides the content of some
        of them behind the mask token; they keep their position and pad type, else they could not be told apart.
        Tokens without any valid taxel stand behind it as well.
        """
        batch = len(folded)
        places = self.place + functional.embedding(self.kind_of_token, self.kind)  # (N, d)
        if keep is None:
            tokens, where = folded, places.expand(batch, -1, -1)
        else:
            tokens = folded.gather(1, keep[..., None].expand(-1, -1, folded.shape[-1]))  # (B, K, F)
            where = functional.embedding(keep, places)  # unlike indexing, its gradient is summed in a fixed order
        tokens = self.patches(tokens, masked)
        tokens = torch.cat([self.register_token.expand(batch, 1, -1), tokens + where], 1)  # (B, 1 + K, d)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return SkinTokens(tokens[:, 0], tokens[:, 1:])

    def patches(self, folded: Tensor, masked: Tensor | None = None) -> Tensor:
        """(B, K, d) what tokens (B, K, F) are before the first block, without their places."""
        hidden = missing_tokens(folded) if masked is None else masked | missing_tokens(folded)
        patched = self.patch_norm(self._patch(folded))
        return torch.where(hidden[..., None], self.mask_token.to(patched.dtype), patched)

    def forward(self, flux: Tensor, position_m: Tensor, valid: Tensor | None = None) -> SkinTokens:
        """Encode windows: flux counts (B, 10, 368, 3) and taxel positions (B, 10, 368, 3) in the palm frame, m.

        `valid` (B, 368) bool tells dead and stale taxels, which are masked; without it all are taken as they are.
        """
        return self.encode(self.fold(flux, position_m, valid))

    def _patch(self, tokens: Tensor) -> Tensor:
        """(B, K, F) to (B, K, d); a pad's patch leaves missing taxels out itself."""
        patched: Tensor = self.patch(tokens if self.size.tokens == "pad" else tokens.nan_to_num())
        return patched


def missing_tokens(folded: Tensor) -> Tensor:
    """(B, K) bool, True where no taxel of the token is valid, for folded windows (B, K, F)."""
    return folded.isnan().all(-1)


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, size: EncoderSize, drop_path: float) -> None:
        super().__init__()
        self.heads = size.heads
        self.drop_path = drop_path
        self.attention_norm = nn.LayerNorm(size.width, eps=_NORM_EPS)
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.project = nn.Linear(size.width, size.width)
        self.mlp_norm = nn.LayerNorm(size.width, eps=_NORM_EPS)
        self.expand = nn.Linear(size.width, _MLP_RATIO * size.width)
        self.contract = nn.Linear(_MLP_RATIO * size.width, size.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, d) to (B, N, d)."""
        tokens = tokens + self._drop(self._attend(self.attention_norm(tokens)))
        return tokens + self._drop(self.contract(functional.gelu(self.expand(self.mlp_norm(tokens)))))

    def _attend(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)  # (B, heads, N, d / heads)
        projected: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return projected

    def _drop(self, residual: Tensor) -> Tensor:
        """Stochastic depth: leave a whole sample's residual out with probability `drop_path`, in training only."""
        if not self.training or self.drop_path == 0:
            return residual
        stays = torch.rand(len(residual), 1, 1, device=residual.device) >= self.drop_path
        return residual * stays / (1 - self.drop_path)
