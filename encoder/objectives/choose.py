"""The objective of a run by its name."""

from __future__ import annotations

from collections.abc import Callable

from encoder.objectives.byol import ByolObjective
from encoder.objectives.jepa import JepaObjective
from encoder.objectives.mae import MaeObjective
from encoder.objectives.objective import Objective
from encoder.objectives.release import ReleaseObjective
from encoder.objectives.sparsh import SparshObjective
from encoder.presets import Recipe
from skin_teleop.errors import ConfigError

_KINDS: dict[str, Callable[[Recipe], Objective]] = {
    "sparsh": SparshObjective,
    "jepa": JepaObjective,
    "mae": MaeObjective,
    "byol": ByolObjective,
    "release": ReleaseObjective,
}


def build_objective(name: str, recipe: Recipe) -> Objective:
    """A fresh objective; raises ConfigError for an unknown name."""
    if name not in _KINDS:
        raise ConfigError(f"objective {name!r} was asked for", allowed=", ".join(_KINDS))
    return _KINDS[name](recipe)
