"""Learning rate, weight decay, teacher momentum and temperature as functions of the step, so that a run can resume."""

from __future__ import annotations

import math
from dataclasses import dataclass

from encoder.presets import Recipe

PAPER_MOMENTUM = 0.994
_FORGETTING = 8.0
"""Wanted sum of (1 - momentum) over a run, times two: the teacher then keeps exp(-4), 2 %, of its random start."""
_LOWEST_MOMENTUM = 0.8
_FREEZE_SHARE = 1 / 500
"""The last layer rests for one of the paper's 500 epochs."""


@dataclass(frozen=True, slots=True)
class Schedules:
    """All schedules of a run of a fixed number of steps; steps count from 0."""

    recipe: Recipe
    steps: int
    continued: bool = False
    """Whether these steps extend a finished run: learning rate and weight decay begin anew (a warm restart), while the
    teacher, which is no longer random, keeps the paper's momentum, the last temperature and a free last layer."""

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then cosine."""
        recipe = self.recipe
        warmup = round(recipe.warmup_share * self.steps)
        if step < warmup:
            return _between(recipe.first_learning_rate, recipe.learning_rate, step / warmup)
        share = (step - warmup) / max(1, self.steps - 1 - warmup)
        return _cosine(recipe.learning_rate, recipe.last_learning_rate, share)

    def weight_decay(self, step: int) -> float:
        """Cosine from the first to the last value."""
        return _cosine(*self.recipe.weight_decay, self._share(step))

    @property
    def first_momentum(self) -> float:
        """Momentum of the teacher at step 0, scaled to the length of the run.

        The paper's 0.994 needs thousands of steps; over 100 it would leave the teacher at its random start.
        """
        if self.continued:
            return PAPER_MOMENTUM
        return min(PAPER_MOMENTUM, max(_LOWEST_MOMENTUM, 1 - _FORGETTING / self.steps))

    def teacher_momentum(self, step: int) -> float:
        """Linear from `first_momentum` to 1."""
        return _between(self.first_momentum, 1.0, self._share(step))

    def teacher_temperature(self, step: int) -> float:
        """Linear ramp, then constant."""
        if self.continued:
            return self.recipe.teacher_temperature[1]
        ramp = max(1, round(self.recipe.temperature_ramp_share * self.steps))
        return _between(*self.recipe.teacher_temperature, min(1.0, step / ramp))

    def last_layer_frozen(self, step: int) -> bool:
        """True while the prototypes get no gradient."""
        return not self.continued and step < max(1, round(_FREEZE_SHARE * self.steps))

    def _share(self, step: int) -> float:
        return step / max(1, self.steps - 1)


def _between(first: float, last: float, share: float) -> float:
    return first + (last - first) * share


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
