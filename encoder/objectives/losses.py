"""The three terms of the objective: agreement on the summary, agreement on masked taxels, spread of the summaries."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from encoder.ranks import of_all_ranks, own_part

STUDENT_TEMPERATURE = 0.1
_EPS = 1e-8


def teacher_assignment(logits: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """(..., K) centred and sharpened teacher distribution (DINO, arXiv 2104.14294, section 3.1)."""
    return functional.softmax((logits.float() - centre) / temperature, dim=-1)


def cross_entropy(student_logits: Tensor, teacher: Tensor) -> Tensor:
    """(...) cross-entropy of the student's distribution under the teacher's (..., K)."""
    return -(teacher * functional.log_softmax(student_logits.float() / STUDENT_TEMPERATURE, dim=-1)).sum(-1)


def summary_loss(student_wide: Tensor, student_narrow: Tensor, teacher: Tensor) -> Tensor:
    """Mean cross-entropy over all pairs of different views.

    Student logits are (2, B, K) global and (L, B, K) local, the teacher's distribution (2, B, K). A global crop is
    compared with the other one, never with itself: 2 + 2 L pairs.
    """
    terms = [cross_entropy(student_wide, teacher.flip(0)), *(cross_entropy(view, teacher) for view in student_narrow)]
    return torch.cat(terms).mean()


def masked_indices(masked: Tensor) -> Tensor:
    """(M,) linear indices of the masked tokens of crops (crops, B, K), for tokens flattened to (crops * B * K, d)."""
    return masked.flatten().nonzero()[:, 0]


def masked_token_loss(student_logits: Tensor, teacher: Tensor, masked: Tensor) -> Tensor:
    """Mean over crops of the mean cross-entropy over the crop's masked tokens (iBOT, arXiv 2111.07832, equation 2).

    `student_logits` and `teacher` are (M, K) in the order of `masked_indices(masked)`.
    """
    per_crop = masked.sum(-1, keepdim=True).expand_as(masked)[masked]  # (M,)
    weight = 1.0 / (per_crop * masked.shape[0] * masked.shape[1])
    return (cross_entropy(student_logits, teacher) * weight).sum()


def koleo_loss(summaries: Tensor) -> Tensor:
    """Spread of summaries (crops, B, d): mean of -log distance to the nearest neighbour inside the same crop.

    Kozachenko-Leonenko entropy estimate, Sablayrolles et al. (arXiv 1806.03198, equation 2). Splitting by crop keeps
    a window's own second view from being its nearest neighbour. Neighbours are looked for on all ranks.
    """
    unit = functional.normalize(summaries.float(), dim=-1, eps=_EPS)
    everyone = of_all_ranks(unit, 1)  # (crops, W B, d)
    similarity = unit @ everyone.transpose(-1, -2)  # (crops, B, W B)
    own = own_part(torch.eye(everyone.shape[1], dtype=torch.bool, device=unit.device))
    nearest = similarity.detach().masked_fill(own, -1.0).argmax(-1)  # (crops, B)
    neighbour = everyone.gather(1, nearest[..., None].expand_as(unit))
    return -torch.log((unit - neighbour).norm(dim=-1) + _EPS).mean()
