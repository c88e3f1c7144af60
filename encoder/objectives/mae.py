"""Masked reconstruction: from a quarter of the tokens, guess the flux of the others (MAE, arXiv 2111.06377)."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder.model import SparshSkinEncoder
from encoder.objectives.objective import Objective, Outcome, Trained
from encoder.objectives.predictor import Predictor
from encoder.presets import Recipe
from encoder.ranks import own_part, world
from encoder.schedules import Schedules
from encoder.windows import WINDOW_FRAMES

VISIBLE_SHARE = 0.25
"""MAE, section 4.1: 75 % of the tokens are hidden."""


class _Student(Trained):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = SparshSkinEncoder(recipe.size, recipe.drop_path)
        tokens = self.encoder.tokens
        outputs = tokens.taxels.shape[1] * WINDOW_FRAMES * 3
        self.decoder = Predictor(recipe.size, len(tokens), recipe.predictor_depth, outputs)


class MaeObjective(Objective):
    """An encoder and a light decoder; there is no teacher. Positions are read but need not be guessed."""

    student: _Student
    teacher: None

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.student = _Student(recipe)
        self.teacher = None
        self.train()

    def compute(self, folded: Tensor, generator: torch.Generator, schedules: Schedules, step: int) -> Outcome:
        """Mean squared error of the normalised flux, on the valid taxels of hidden tokens only."""
        drawn = split_tokens(len(folded) * world(), folded.shape[1], generator)
        keep, hidden = (own_part(tokens).to(folded.device) for tokens in drawn)
        encoder = self.student.encoder
        seen = encoder.encode(folded, keep)
        guessed = self.student.decoder(seen, keep, hidden).float()  # (B, M, S * 30)
        wanted = folded.gather(1, hidden[..., None].expand(-1, -1, folded.shape[-1]))
        flux = encoder.flux_of(wanted)  # (B, M, S, 30)
        known = encoder.tokens.occupied.to(hidden.device)[hidden] & ~flux[..., 0].isnan()  # (B, M, S)
        total = (guessed.view_as(flux) - flux)[known].square().mean()
        return Outcome(
            total=total,
            terms={"reconstruction_loss": total},
            student_summary=seen.summary.detach()[None],
            student_tokens=seen.patches.detach()[None],
        )


def split_tokens(batch: int, tokens: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, K) visible and (B, N - K) hidden tokens at random, together all of them."""
    order = torch.rand(batch, tokens, generator=generator).argsort(1)
    visible = max(1, round(VISIBLE_SHARE * tokens))
    return order[:, :visible], order[:, visible:]
