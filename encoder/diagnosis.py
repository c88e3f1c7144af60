"""Why a step of training went wrong, in words that say where to look."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder.objectives.objective import Objective, Outcome


@torch.no_grad()
def diagnosis(objective: Objective, outcome: Outcome, gradient_norm: Tensor) -> str:
    """The loss and its bad terms, then the first weights that are not numbers, else the largest weight."""
    bad_terms = [name for name, term in outcome.terms.items() if not torch.isfinite(term)]
    said = [f"a loss of {outcome.total.item():g}", f"gradient norm {float(gradient_norm):g}"]
    if bad_terms:
        said.append("not a number in " + ", ".join(bad_terms))
    weights = dict(objective.student.named_parameters())
    broken = [name for name, weight in weights.items() if not torch.isfinite(weight).all()]
    if broken:
        said.append(f"weights {broken[0]} and {len(broken) - 1} others are not numbers")
    else:
        largest = max(weights, key=lambda name: float(weights[name].abs().max()))
        said.append(f"weights are finite, the largest is {float(weights[largest].abs().max()):.3g} in {largest}")
    return "; ".join(said)
