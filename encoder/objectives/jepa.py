"""Latent prediction: from the taxels that are left, guess what the teacher's tokens are in hidden regions of the skin.

After I-JEPA (arXiv 2301.08243): four regions are hidden, the context is everything outside them, the teacher sees the
whole window, the loss is taken on its layer-normed tokens. Regions are grown on the skin's graph instead of being
rectangles, and are guessed in one pass instead of one by one. No negatives, prototypes or centres; the teacher and the
predictor keep the answer from being constant.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional

from encoder.model import SparshSkinEncoder, missing_tokens
from encoder.objectives.hiding import hide
from encoder.objectives.objective import Objective, Outcome, Trained, mean_of_known
from encoder.objectives.pad_graph import grow_regions
from encoder.objectives.predictor import Predictor
from encoder.presets import Recipe
from encoder.ranks import world
from encoder.schedules import Schedules
from skin_teleop.messages import N_TAXELS

REGIONS = 4
REGION_SHARE = (0.15, 0.2)
"""Number of hidden regions and the share of all taxels in each (I-JEPA, section 4)."""


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
        self.train()

    def compute(self, folded: Tensor, generator: torch.Generator, schedules: Schedules, step: int) -> Outcome:
        """Smooth L1 between guessed and taught tokens, over the tokens of which something is hidden."""
        regions = grow_regions((REGIONS, len(folded) * world()), REGION_SHARE, generator)
        encoder = self.student.encoder
        hidden = hide(folded, covered(regions), encoder.tokens)
        with torch.no_grad():
            whole = self.teacher.encoder.encode(folded)
        seen = encoder.encode(hidden.seen, hidden.keep)
        taught = functional.layer_norm(whole.patches.float(), whole.patches.shape[-1:])  # (B, N, d)
        wanted = taught.gather(1, hidden.asked[..., None].expand(-1, -1, taught.shape[-1]))  # (B, M, d)
        guessed = self.student.predictor(seen, hidden.keep, hidden.asked).float()
        known = hidden.slots.any(-1) & ~missing_tokens(folded).gather(1, hidden.asked)  # (B, M)
        total = mean_of_known(functional.smooth_l1_loss(guessed, wanted, reduction="none"), known)
        return Outcome(
            total=total,
            terms={"latent_loss": total},
            student_summary=seen.summary.detach()[None],
            student_tokens=seen.patches.detach()[None],
            teacher_summary=whole.summary[None],
        )


def covered(regions: Tensor) -> Tensor:
    """(B, 368) bool, the taxels in any of the regions (R, B, M)."""
    count, batch, size = regions.shape
    taxels = torch.zeros(batch, N_TAXELS, dtype=torch.bool)
    return taxels.scatter_(1, regions.transpose(0, 1).reshape(batch, count * size), True)
