"""What every self-supervised objective offers the trainer, and what all of them do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor, nn

from encoder.model import SparshSkinEncoder
from encoder.ranks import mean_scalar
from encoder.schedules import Schedules


@dataclass(frozen=True, eq=False)
class Outcome:
    """One step's loss, its terms, and what the monitors look at (without gradient)."""

    total: Tensor
    terms: dict[str, Tensor]
    """Scalars, by the name they get in metrics.jsonl."""
    student_summary: Tensor
    """(V, B, d) summaries of the student's views."""
    student_tokens: Tensor
    """(V, B, K, d)"""
    teacher_summary: Tensor | None = None
    """(V, B, d) of the same views where there is a teacher."""
    assigned: Tensor | None = None
    """(V, B, P) the teacher's distribution over prototypes, where there are prototypes."""
    centres: dict[str, Tensor] = field(default_factory=dict)
    """(P,) mean of the teacher's logits in this step, by the name of the centre that follows it."""


def of_whole_batch(outcome: Outcome) -> Outcome:
    """The outcome with the loss and its terms of the batch of all ranks, for reports; views stay the rank's own."""
    terms = {name: mean_scalar(term) for name, term in outcome.terms.items()}
    return replace(outcome, total=mean_scalar(outcome.total), terms=terms)


def mean_of_known(errors: Tensor, known: Tensor) -> Tensor:
    """Mean of errors (..., k) where `known` (...) is true, such that the mean over ranks is that of the whole batch.

    Ranks may know different numbers of them, so the sum is divided by what a rank knows on average.
    """
    picked = errors[known]
    count = mean_scalar(torch.tensor(float(picked.numel()), device=errors.device))
    return picked.sum() / count.clamp(min=1)


class Trained(nn.Module):
    """An encoder and what is trained on top of it; the teacher follows the student's parts of the same name."""

    encoder: SparshSkinEncoder


class Objective(nn.Module, ABC):
    """A student, mostly a teacher that follows it, and the loss that ties them."""

    student: Trained
    teacher: Trained | None

    @abstractmethod
    def compute(self, folded: Tensor, generator: torch.Generator, schedules: Schedules, step: int) -> Outcome:
        """Loss of folded windows (B, N, F); all that is random comes from the generator or torch's own."""

    @torch.no_grad()
    def after_update(self, outcome: Outcome, schedules: Schedules, step: int) -> None:
        """Let the teacher follow the student; called after each step of the optimiser with that step's outcome."""
        if self.teacher is not None:
            fast = dict(self.student.named_parameters())
            for name, slow in self.teacher.named_parameters():
                slow.lerp_(fast[name], 1 - schedules.teacher_momentum(step))

    @property
    def encoders(self) -> dict[str, SparshSkinEncoder]:
        """The networks that may be exported: the student, and the teacher where there is one."""
        networks = {"student": self.student.encoder}
        return networks if self.teacher is None else networks | {"teacher": self.teacher.encoder}

    def train(self, mode: bool = True) -> Self:
        """Switch the student; the teacher never drops paths."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self
