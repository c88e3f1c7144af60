"""Masked reconstruction: from some taxels, guess the flux of the others (MAE, arXiv 2111.06377)."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder.model import SparshSkinEncoder
from encoder.objectives.hiding import hide
from encoder.objectives.objective import Objective, Outcome, Trained, mean_of_known
from encoder.objectives.predictor import Predictor
from encoder.presets import Recipe, TokenUnit
from encoder.ranks import world
from encoder.schedules import Schedules
from encoder.windows import WINDOW_FRAMES
from skin_teleop.messages import N_TAXELS

HIDDEN_SHARE: dict[TokenUnit, float] = {"taxel": 0.75, "pad": 0.6}
"""MAE, section 4.1, hides 75 % of the tokens. Of a pad's taxels more are left, for its other taxels are most of what
can be known of one: from 4 of 16 there is little to learn."""


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
        """Mean squared error of the normalised flux, on valid hidden taxels only."""
        encoder = self.student.encoder
        share = HIDDEN_SHARE[encoder.size.tokens]
        hidden = hide(folded, draw_hidden(len(folded) * world(), share, generator), encoder.tokens)
        seen = encoder.encode(hidden.seen, hidden.keep)
        guessed = self.student.decoder(seen, hidden.keep, hidden.asked).float()  # (B, M, S * 30)
        wanted = folded.gather(1, hidden.asked[..., None].expand(-1, -1, folded.shape[-1]))
        flux = encoder.flux_of(wanted)  # (B, M, S, 30)
        known = hidden.slots & ~flux[..., 0].isnan()  # (B, M, S)
        total = mean_of_known((guessed.view_as(flux) - flux.nan_to_num()).square(), known)
        return Outcome(
            total=total,
            terms={"reconstruction_loss": total},
            student_summary=seen.summary.detach()[None],
            student_tokens=seen.patches.detach()[None],
        )


def draw_hidden(batch: int, share: float, generator: torch.Generator) -> Tensor:
    """(B, 368) bool taxels to hide at random, the same number in every window."""
    order = torch.rand(batch, N_TAXELS, generator=generator).argsort(1)
    return order < round(share * N_TAXELS)
