"""Sparsh-skin's self-distillation (arXiv 2505.11420): DINO on the summary, iBOT on masked taxels, KoLeo.

This is the intended objective. The release's slips are not repeated: masked tokens are picked by linear index, KoLeo
works inside a crop, masks are a share of the crop and come from a seeded generator, the teacher's head starts as a
copy of the student's, crops are paired with the other crop, and only `after_update` moves the centres.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from encoder.model import SkinTokens, SparshSkinEncoder, missing_tokens
from encoder.objectives.crops import Views, draw_views
from encoder.objectives.head import PrototypeHead
from encoder.objectives.losses import (
    koleo_loss,
    masked_indices,
    masked_token_loss,
    summary_loss,
    teacher_assignment,
)
from encoder.objectives.objective import Objective, Outcome, Trained
from encoder.presets import Recipe
from encoder.ranks import mean_of_all_ranks, world
from encoder.schedules import Schedules


class Network(Trained):
    """An encoder and the head that is shared by summary and patch tokens."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = SparshSkinEncoder(recipe.size, recipe.drop_path)
        self.head = PrototypeHead(recipe.size.width, recipe.head_hidden, recipe.head_bottleneck, recipe.prototypes)


@dataclass(frozen=True, eq=False)
class TeacherView:
    """What the teacher says about the global crops, without gradient."""

    summary: Tensor
    """(2, B, d)"""
    summary_logits: Tensor
    """(2, B, K)"""
    token_logits: Tensor
    """(M, K) of the tokens that are masked for the student."""


@dataclass(frozen=True, eq=False)
class Losses:
    """The terms of one step, and the views they were made from (for the monitors)."""

    total: Tensor
    summary: Tensor
    masked_tokens: Tensor
    koleo: Tensor
    student: SkinTokens
    """(2, B, d) and (2, B, Kg, d) of the global crops, without gradient."""
    teacher: TeacherView
    assigned: Tensor
    """(2, B, K) the teacher's distribution over prototypes."""


class SparshObjective(Objective):
    """Student, its slowly following teacher, and the centres of the teacher's output."""

    student: Network
    teacher: Network
    summary_centre: Tensor
    token_centre: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.local_crops = recipe.local_crops
        self.koleo_weight = recipe.koleo_weight
        self.centre_momentum = recipe.centre_momentum
        self.student = Network(recipe)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.register_buffer("summary_centre", torch.zeros(recipe.prototypes))
        self.register_buffer("token_centre", torch.zeros(recipe.prototypes))
        self.train()

    def compute(self, folded: Tensor, generator: torch.Generator, schedules: Schedules, step: int) -> Outcome:
        """Draw crops and masks and judge them; the prototypes rest while the schedule says so."""
        self.student.head.prototypes.requires_grad_(not schedules.last_layer_frozen(step))
        views = draw_views(len(folded) * world(), self.local_crops, generator, folded.shape[1]).of_rank(folded.device)
        losses: Losses = self(folded, views, schedules.teacher_temperature(step))
        return Outcome(
            total=losses.total,
            terms={"summary_loss": losses.summary, "masked_token_loss": losses.masked_tokens, "koleo": losses.koleo},
            student_summary=losses.student.summary,
            student_tokens=losses.student.patches,
            teacher_summary=losses.teacher.summary,
            assigned=losses.assigned,
            centres={
                "summary_centre": mean_of_all_ranks(losses.teacher.summary_logits.float().flatten(0, 1)),
                "token_centre": mean_of_all_ranks(losses.teacher.token_logits.float()),
            },
        )

    def forward(self, folded: Tensor, views: Views, teacher_temperature: float) -> Losses:
        """Losses of folded windows (B, N, F) under some views; changes nothing in the objective."""
        views = views.without(missing_tokens(folded))
        teacher = self._teach(folded, views)
        wide = self._encode(self.student, folded, views.wide, views.masked)
        narrow = self._encode(self.student, folded, views.narrow, None)
        guesses = wide.patches.flatten(0, 2)[masked_indices(views.masked)]  # (M, d)
        summaries = torch.cat([wide.summary, narrow.summary])  # (2 + L, B, d)
        summary_logits, token_logits = _project(self.student.head, summaries, guesses)
        agreed = teacher_assignment(teacher.summary_logits, self.summary_centre, teacher_temperature)
        told = teacher_assignment(teacher.token_logits, self.token_centre, teacher_temperature)
        n_wide = len(wide.summary)
        dino = summary_loss(summary_logits[:n_wide], summary_logits[n_wide:], agreed)
        ibot = masked_token_loss(token_logits, told, views.masked)
        koleo = koleo_loss(wide.summary)
        total = dino + ibot + self.koleo_weight * n_wide * koleo
        seen = SkinTokens(wide.summary.detach(), wide.patches.detach())
        return Losses(total, dino, ibot, koleo, seen, teacher, agreed)

    @torch.no_grad()
    def after_update(self, outcome: Outcome, schedules: Schedules, step: int) -> None:
        """Let the teacher follow the student and the centres follow the teacher's output."""
        super().after_update(outcome, schedules, step)
        self.summary_centre.lerp_(outcome.centres["summary_centre"], 1 - self.centre_momentum)
        self.token_centre.lerp_(outcome.centres["token_centre"], 1 - self.centre_momentum)

    @torch.no_grad()
    def _teach(self, folded: Tensor, views: Views) -> TeacherView:
        seen = self._encode(self.teacher, folded, views.wide, None)
        hidden = seen.patches.flatten(0, 2)[masked_indices(views.masked)]
        return TeacherView(seen.summary, *_project(self.teacher.head, seen.summary, hidden))

    @staticmethod
    def _encode(network: Network, folded: Tensor, keep: Tensor, masked: Tensor | None) -> SkinTokens:
        """Encode crops (C, B, K) of one size in one pass; tokens come back as (C, B, ...)."""
        crops = keep.shape[0]
        tokens = network.encoder.encode(
            folded.repeat(crops, 1, 1), keep.flatten(0, 1), None if masked is None else masked.flatten(0, 1)
        )
        batch = len(folded)
        return SkinTokens(
            tokens.summary.reshape(crops, batch, -1), tokens.patches.reshape(crops, batch, keep.shape[-1], -1)
        )


def _project(head: PrototypeHead, summaries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (C, B, K) of summaries (C, B, d) and (M, K) of tokens (M, d), by one pass through the head."""
    crops, batch, _ = summaries.shape
    logits = head(torch.cat([summaries.flatten(0, 1), tokens]))
    return logits[: crops * batch].view(crops, batch, -1), logits[crops * batch :]
