"""Signs of collapse, written beside the loss: a number each, and an alarm instead of silence."""

from __future__ import annotations

import logging

import torch
from torch import Tensor
from torch.nn import functional

from encoder.objectives.losses import teacher_assignment
from encoder.objectives.sparsh import Losses

COLLAPSED_STD = 1e-3
"""Spread of unit-length summaries, per dimension times sqrt(d), below which all windows look alike."""
_EPS = 1e-7

_log = logging.getLogger(__name__)


def rankme(features: Tensor) -> float:
    """Effective rank of features (N, d): exponential of the entropy of their singular values.

    RankMe, arXiv 2210.02885, equation 1. It cannot exceed min(N, d) and does not order good encoders; a fall to 1 is
    the sign of collapse.
    """
    values = torch.linalg.svdvals(features.float())
    share = values / values.sum() + _EPS
    return float(torch.exp(-(share * share.log()).sum()))


@torch.no_grad()
def monitors(losses: Losses, centre: Tensor, teacher_temperature: float) -> dict[str, float]:
    """Teacher entropy (nats), spread of the summaries, agreement of teacher and student, effective rank."""
    assigned = teacher_assignment(losses.teacher.summary_logits, centre, teacher_temperature)  # (2, B, K)
    student = losses.student_summary.float().flatten(0, 1)  # (2B, d)
    teacher = losses.teacher.summary.float().flatten(0, 1)
    spread = functional.normalize(student, dim=-1).std(0).mean() * student.shape[-1] ** 0.5
    if spread < COLLAPSED_STD:
        _log.warning("summaries have collapsed: their spread is %.1e; change the seed or the data", float(spread))
    return {
        "teacher_entropy": float(-(assigned * (assigned + _EPS).log()).sum(-1).mean()),
        "feature_std": float(spread),
        "teacher_student_cosine": float(functional.cosine_similarity(student, teacher).mean()),
        "rankme": rankme(teacher),
    }
