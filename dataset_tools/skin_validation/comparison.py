"""A simulated and a real recording side by side: figures, and what they may be called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dataset_tools.reader import Session
from dataset_tools.skin_validation.ambient_motion import AmbientMotion, ambient_motion
from dataset_tools.skin_validation.classifier import Score, tell_apart
from dataset_tools.skin_validation.signals import (
    SkinSignals,
    rest_noise_counts,
    rest_spectrum,
    skin_signals,
    spectral_distance_db,
)
from skin_teleop.errors import SessionError


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two recordings."""

    signals: SkinSignals
    ambient: AmbientMotion | None

    @property
    def simulated(self) -> bool:
        """True for a session of a simulated rig."""
        return self.signals.recording.source.simulated


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both recordings and how they are told apart."""

    first: Side
    second: Side
    score: Score

    @property
    def what(self) -> str:
        """What was compared, in words."""
        if self.second.simulated:
            return "both simulated: these figures say nothing about a real skin"
        return "simulated against real: one pair of recordings; how far they carry is for more recordings to show"

    def figures(self) -> dict[str, Any]:
        """Everything as plain numbers; None where a recording cannot tell."""
        sides = {"first": self.first, "second": self.second}
        spectra = [rest_spectrum(side.signals) for side in sides.values()]
        apart = np.abs(self.first.signals.quantiles - self.second.signals.quantiles).mean(0)
        return {
            "compared": self.what,
            "both_simulated": self.second.simulated,
            **{name: _side(side) for name, side in sides.items()},
            "rest_spectrum_distance_db": spectral_distance_db(*spectra),
            "marginal_distance_counts": dict(zip("xyz", apart.round(2).tolist())),
            "classifier": {
                "score": round(self.score.area, 3),
                "error": round(self.score.error, 3),
                "windows": list(self.score.windows),
                "weights": {name: round(weight, 2) for name, weight in self.score.weights.items()},
            },
        }


def compare(first: Session, second: Session) -> Comparison:
    """Compare a simulated session with another; raises SessionError where the first is not simulated."""
    if not first.meta["simulated"]:
        raise SessionError(
            "a simulated and a real recording are compared",
            found=f"{first.path}, a real one, in the first place",
            next_step="skin-teleop validate-skin SIM_SESSION REAL_SESSION",
        )
    one, other = _read(first), _read(second)
    return Comparison(one, other, tell_apart(one.signals, other.signals))


def _read(session: Session) -> Side:
    signals = skin_signals(session)
    return Side(signals, ambient_motion(session, signals))


def _side(side: Side) -> dict[str, Any]:
    signals, ambient = side.signals, side.ambient
    return {
        "session": signals.recording.source.id,
        "simulated": side.simulated,
        "seconds": round(signals.recording.seconds, 1),
        "working_taxels": int(signals.works.sum()),
        "rest_noise_counts": round(rest_noise_counts(signals), 2),
        "active_taxels_mean": round(float(signals.active.mean()), 2),
        "active_taxels_95": float(np.quantile(signals.active, 0.95)),
        "ambient_explained": round(ambient.explained, 3) if ambient else None,
        "earth_ut": round(ambient.earth_ut, 1) if ambient else None,
    }
