"""A narrow transformer that guesses what hidden tokens are, from the visible ones and the places that are asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.model import Block, SkinTokens
from encoder.presets import EncoderSize


class Predictor(nn.Module):
    """Half the encoder's width, as in I-JEPA (arXiv 2301.08243, section 4) and MAE (arXiv 2111.06377, section 3)."""

    def __init__(self, size: EncoderSize, tokens: int, depth: int, outputs: int) -> None:
        super().__init__()
        narrow = EncoderSize(size.width // 2, depth, size.heads)
        self.enter = nn.Linear(size.width, narrow.width)
        self.place = nn.Parameter(torch.empty(tokens, narrow.width))
        self.question = nn.Parameter(torch.empty(narrow.width))
        self.blocks = nn.Sequential(*(Block(narrow, 0.0) for _ in range(depth)))
        self.norm = nn.LayerNorm(narrow.width)
        self.leave = nn.Linear(narrow.width, outputs)
        for table in (self.place, self.question):
            nn.init.trunc_normal_(table, std=0.02)

    def forward(self, seen: SkinTokens, keep: Tensor, asked: Tensor) -> Tensor:
        """(B, M, outputs) guesses at the places `asked` (B, M) from the tokens at the places `keep` (B, K).

        The summary token is read as well, so that training reaches it.
        """
        visible = self.enter(seen.patches) + functional.embedding(keep, self.place)
        questions = self.question + functional.embedding(asked, self.place)
        tokens = self.blocks(torch.cat([self.enter(seen.summary)[:, None], visible, questions], 1))
        guessed: Tensor = self.leave(self.norm(tokens[:, -asked.shape[1] :]))
        return guessed
