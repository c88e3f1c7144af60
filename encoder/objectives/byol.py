"""Two crops of a window should have one summary: BYOL (arXiv 2006.07733), with crops of the skin as the two views.

Heads use LayerNorm in place of BatchNorm, so that a window's loss does not depend on its neighbours in the batch.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.model import SkinTokens, SparshSkinEncoder
from encoder.objectives.crops import draw_views
from encoder.objectives.objective import Objective, Outcome, Trained
from encoder.presets import Recipe
from encoder.ranks import world
from encoder.schedules import Schedules


class _Teacher(Trained):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = SparshSkinEncoder(recipe.size, recipe.drop_path)
        self.projector = _mlp(recipe.size.width, recipe.head_hidden, recipe.head_bottleneck)


class _Student(_Teacher):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.predictor = _mlp(recipe.head_bottleneck, recipe.head_hidden, recipe.head_bottleneck)


class ByolObjective(Objective):
    """The student's prediction from one crop is compared with the teacher's projection of the other."""

    student: _Student
    teacher: _Teacher

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.student = _Student(recipe)
        self.teacher = _Teacher(recipe).requires_grad_(False)
        self.teacher.encoder.load_state_dict(self.student.encoder.state_dict())
        self.teacher.projector = copy.deepcopy(self.student.projector).requires_grad_(False)
        self.train()

    def compute(self, folded: Tensor, generator: torch.Generator, schedules: Schedules, step: int) -> Outcome:
        """2 - 2 cos between prediction and projection of the other crop (equation 2), mean over both directions."""
        wide = draw_views(len(folded) * world(), 1, generator, folded.shape[1]).of_rank(folded.device).wide  # (2, B, K)
        seen = _encode(self.student.encoder, folded, wide)
        with torch.no_grad():
            taught = _encode(self.teacher.encoder, folded, wide)
            wanted = self.teacher.projector(taught.summary).flip(0)  # (2, B, p) of the other crop
        guessed = self.student.predictor(self.student.projector(seen.summary))
        total = agreement_loss(guessed, wanted)
        return Outcome(
            total=total,
            terms={"agreement_loss": total},
            student_summary=seen.summary.detach(),
            student_tokens=seen.patches.detach(),
            teacher_summary=taught.summary,
        )


def agreement_loss(guessed: Tensor, wanted: Tensor) -> Tensor:
    """2 - 2 cos, mean over all leading dimensions: 0 for equal directions, 4 for opposite ones."""
    return 2 - 2 * functional.cosine_similarity(guessed.float(), wanted.float(), dim=-1).mean()


def _encode(encoder: SparshSkinEncoder, folded: Tensor, keep: Tensor) -> SkinTokens:
    """Tokens (2, B, ...) of two crops (2, B, K)."""
    tokens = encoder.encode(folded.repeat(2, 1, 1), keep.flatten(0, 1))
    return SkinTokens(tokens.summary.reshape(*keep.shape[:2], -1), tokens.patches.reshape(*keep.shape, -1))


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, outputs))
