"""Latent prediction: from the visible tokens, guess what the teacher's tokens are in hidden regions of the skin.

After I-JEPA (arXiv 2301.08243): four target regions, the context is everything outside them, the teacher sees the
whole window, the loss is taken on its layer-normed tokens. Regions are grown on the skin's graph instead of being
rectangles. No negatives, prototypes or centres; the teacher and the predictor keep the answer from being constant.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional

from encoder.model import SkinTokens, SparshSkinEncoder, missing_tokens
from encoder.objectives.objective import Objective, Outcome, Trained
from encoder.objectives.pad_graph import grow_regions, token_distance_m
from encoder.objectives.predictor import Predictor
from encoder.presets import Recipe
from encoder.ranks import own_part, world
from encoder.schedules import Schedules

TARGETS = 4
TARGET_SHARE = (0.15, 0.2)
"""Number of target regions and the share of all tokens in each (I-JEPA, section 4)."""


class _Student(Trained):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = SparshSkinEncoder(recipe.size, recipe.drop_path)
        width = recipe.size.width
        self.predictor = Predictor(recipe.size, len(self.encoder.tokens), recipe.predictor_depth, width)


class _Teacher(Trained):
    def __init__(self, encoder: SparshSkinEncoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)


class JepaObjective(Objective):
    """Encoder with a predictor as student, a following encoder as teacher."""

    student: _Student
    teacher: _Teacher

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.student = _Student(recipe)
        self.teacher = _Teacher(self.student.encoder).requires_grad_(False)
        self.distance_m = token_distance_m(recipe.size.tokens)
        self.train()

    def compute(self, folded: Tensor, generator: torch.Generator, schedules: Schedules, step: int) -> Outcome:
        """Smooth L1 between guessed and taught tokens, mean over regions."""
        targets = grow_regions((TARGETS, len(folded) * world()), TARGET_SHARE, self.distance_m, generator)
        keep = own_part(context_of(targets, folded.shape[1], generator)).to(folded.device)  # (B, K)
        targets = own_part(targets, 1).to(folded.device)  # (R, B, M)
        with torch.no_grad():
            whole = self.teacher.encoder.encode(folded)
        seen = self.student.encoder.encode(folded, keep)
        taught = functional.layer_norm(whole.patches.float(), whole.patches.shape[-1:])  # (B, N, d)
        total = self._loss(seen, keep, targets, taught, missing_tokens(folded))
        return Outcome(
            total=total,
            terms={"latent_loss": total},
            student_summary=seen.summary.detach()[None],
            student_tokens=seen.patches.detach()[None],
            teacher_summary=whole.summary[None],
        )

    def _loss(self, seen: SkinTokens, keep: Tensor, targets: Tensor, taught: Tensor, missing: Tensor) -> Tensor:
        regions, batch, size = targets.shape
        repeated = SkinTokens(seen.summary.repeat(regions, 1), seen.patches.repeat(regions, 1, 1))
        guessed = self.student.predictor(repeated, keep.repeat(regions, 1), targets.flatten(0, 1))  # (R B, M, d)
        wanted = taught.repeat(regions, 1, 1).gather(
            1, targets.reshape(regions * batch, size, 1).expand(-1, -1, taught.shape[-1])
        )
        known = ~missing.repeat(regions, 1).gather(1, targets.flatten(0, 1))  # (R B, M)
        return functional.smooth_l1_loss(guessed.float()[known], wanted[known])


def context_of(targets: Tensor, tokens: int, generator: torch.Generator) -> Tensor:
    """(B, K) int64 tokens outside all targets (R, B, M); K is the fewest that any window of the batch has left."""
    regions, batch, size = targets.shape
    hidden = torch.zeros(batch, tokens, dtype=torch.bool)
    hidden.scatter_(1, targets.transpose(0, 1).reshape(batch, regions * size), True)
    left = int((~hidden).sum(1).min())
    order = torch.rand(batch, tokens, generator=generator) + hidden
    return order.argsort(1)[:, :left]
