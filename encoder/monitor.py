"""Signs of collapse, written beside the loss: a number each, and an alarm in words instead of silence."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from encoder.objectives.objective import Outcome

COLLAPSED_STD = 1e-3
"""Spread of unit-length features, per dimension times sqrt(d), below which all of them look alike."""
COLLAPSED_RANK = 1.2
COLLAPSED_USE = 1.05
"""Effective number of prototypes below which one prototype answers for everything."""
_TOKENS_JUDGED = 256
_EPS = 1e-7


def rankme(features: Tensor) -> float:
    """Effective rank of features (N, d): exponential of the entropy of their singular values.

    RankMe, arXiv 2210.02885, equation 1. It cannot exceed min(N, d) and does not order good encoders; a fall to 1 is
    the sign of collapse. Features that are not all numbers have none: NaN.
    """
    if not torch.isfinite(features).all():
        return math.nan
    values = torch.linalg.svdvals(features.float())
    share = values / (values.sum() + _EPS) + _EPS
    return float(torch.exp(-(share * share.log()).sum()))


@torch.no_grad()
def monitors(outcome: Outcome) -> dict[str, float]:
    """Spread and effective rank of summaries and tokens; agreement with the teacher and use of prototypes, if any."""
    summaries = outcome.student_summary.float().flatten(0, -2)
    tokens = outcome.student_tokens.float().flatten(0, -2)
    tokens = tokens[:: max(1, len(tokens) // _TOKENS_JUDGED)]
    figures = {
        "feature_std": _spread(summaries),
        "token_std": _spread(tokens),
        "rankme": rankme(summaries),
        "rankme_tokens": rankme(tokens),
    }
    if outcome.teacher_summary is not None:
        taught = outcome.teacher_summary.float()
        agreement = functional.cosine_similarity(outcome.student_summary.float(), taught, dim=-1)
        figures["teacher_student_cosine"] = float(agreement.mean())
    if outcome.assigned is not None:
        figures["teacher_entropy"] = float(_entropy(outcome.assigned).mean())
        figures["prototypes_used"] = math.exp(float(_entropy(outcome.assigned.flatten(0, -2).mean(0))))
    return figures


def alarms(figures: dict[str, float]) -> list[str]:
    """What is wrong, in words; empty while nothing has collapsed."""
    found = []
    for name, what in (("feature_std", "summaries"), ("token_std", "tokens")):
        if figures[name] < COLLAPSED_STD:
            found.append(f"the {what} have collapsed: all are alike; change the seed, the objective or the data")
    if figures["feature_std"] >= COLLAPSED_STD and figures["rankme"] < COLLAPSED_RANK:
        found.append("the summaries have collapsed onto one direction; lower the learning rate or change the objective")
    if figures.get("prototypes_used", math.inf) < COLLAPSED_USE:
        found.append("one prototype answers for every window; use fewer prototypes or a higher teacher temperature")
    return found


def _spread(features: Tensor) -> float:
    """Mean deviation over features (N, d) of unit length, times sqrt(d): about 1 when they point everywhere."""
    return float(functional.normalize(features, dim=-1).std(0).mean() * features.shape[-1] ** 0.5)


def _entropy(distribution: Tensor) -> Tensor:
    """(...) entropy of distributions (..., K), nats."""
    return -(distribution * (distribution + _EPS).log()).sum(-1)
