"""From a baseline and a press recording to a skin file."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

import numpy as np

from dataset_tools.skin_fit.forces import Forces
from dataset_tools.skin_fit.presses import TIMES, PressFit, fit_presses
from dataset_tools.skin_fit.recording import SkinRecording
from dataset_tools.skin_fit.rest import RestFit, fit_rest
from dataset_tools.skin_fit.samples import BIN_S, PadSamples, pad_samples
from drivers.simulated.skin.parameter_file import ParameterEntry, SkinFile, TaxelTable
from drivers.simulated.skin.parameters import SkinParameters, provenance
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array

SHORTEST_PRESS_S = 5.0
SHORTEST_REST_S = 5.0
"""After that press: what creeps must be seen to come back."""
CONFIDENCE = 1.96
"""Standard errors in half a 95 % interval."""


@dataclass(frozen=True, eq=False)
class SkinFit:
    """All that was found."""

    file: SkinFile
    rest: RestFit
    presses: PressFit
    unpressed: list[str]
    """Pads that nobody pressed: their gains stay the model's."""
    deaf: Array
    """Taxels (k,) that tremble but did not answer to a press on their pad."""
    forces: Forces


def fit_skin(baseline: SkinRecording, press: SkinRecording, forces: Forces) -> SkinFit:
    """Fit; raises SessionError that says what to record where a recording cannot tell."""
    if baseline.layout.name != press.layout.name:
        raise SessionError(
            "a baseline and a press recording of one hand",
            found=f"layouts {baseline.layout.name} and {press.layout.name}",
        )
    rest = fit_rest(baseline)
    press.require_still()
    dead = rest.dead & (press.flux == press.flux[0]).all(axis=(0, 2))
    pressed = forces.pressed_pads(press.layout)
    samples = [pad_samples(press, forces, press.layout.pads[k], dead) for k in pressed if not _all(dead, press, k)]
    _require_long_press(samples, press)
    fit = fit_presses([pad for pad in samples if _is_long(pad)], press.layout, SkinParameters())
    unpressed = [pad.name for pad in press.layout.pads if pad.index not in pressed]
    gain = np.where(np.isnan(fit.gain), 1.0, np.maximum(fit.gain, 0.0))
    heard = ~np.isnan(fit.gain) & ~dead
    deaf = np.flatnonzero(heard & (fit.gain < DEAF_GAIN))
    table = TaxelTable(
        rest_counts=[(float(x), float(y), float(z)) for x, y, z in rest.rest_counts],
        gain=(gain if forces.known else np.ones_like(gain)).tolist(),
        dead=np.flatnonzero(dead).tolist(),
    )
    file = SkinFile(
        schema="skin_teleop.skin/1",
        layout=press.layout.name,
        made_by=f"skin-teleop fit-skin {importlib.metadata.version('skin-teleop')}",
        sessions={"baseline": baseline.source, "press": press.source},
        parameters=_entries(rest, fit, gain[heard], baseline, press, forces),
        taxels=table,
    )
    return SkinFit(file, rest, fit, unpressed, deaf, forces)


DEAF_GAIN = 0.1
"""Relative to the hand's mean."""


def _all(dead: Array, press: SkinRecording, pad: int) -> bool:
    return bool(dead[press.layout.pads[pad].taxels].all())


def _is_long(pad: PadSamples) -> bool:
    first, last, end = pad.long_press()
    return (last - first) * BIN_S >= SHORTEST_PRESS_S and (end - last) * BIN_S >= SHORTEST_REST_S


def _require_long_press(samples: list[PadSamples], press: SkinRecording) -> None:
    """Raise SessionError when no pad was pressed long enough and then left alone long enough."""
    if any(_is_long(pad) for pad in samples):
        return
    lengths = [pad.long_press() for pad in samples]
    held = max(((last - first) * BIN_S for first, last, _ in lengths), default=0.0)
    raise SessionError(
        f"{press.path} must show how the skin creeps",
        found=f"no even press longer than {held:.1f} s that was left alone afterwards",
        allowed=f"at least {SHORTEST_PRESS_S:.0f} s of constant force, better 20 s, then as long without",
        next_step="lay a weight flat on each pad and lift it again, or simulate it: skin-teleop press-skin",
    )


def _entries(
    rest: RestFit, fit: PressFit, gain: Array, baseline: SkinRecording, press: SkinRecording, forces: Forces
) -> dict[str, ParameterEntry]:
    """Everything that was fitted, each with its interval and its recording."""
    still = f"baseline {baseline.source.id}, {baseline.source.fingerprint}"
    under = f"press {press.source.id}, {press.source.fingerprint}, forces from {forces.source}"
    gain_error = float(np.nanmedian(fit.gain_error))
    found = {
        "noise_counts": (rest.noise_counts, rest.noise_error, still),
        "walk_counts": (rest.walk_counts, rest.walk_error, still),
    }
    for name, error in zip(TIMES, fit.time_error):
        value = getattr(fit.parameters, name)
        found[name] = (value, value * float(error), under)
    if forces.known:
        normal, shear = fit.parameters.normal_stiffness_n_per_m, fit.parameters.shear_stiffness_n_per_m
        found["normal_stiffness_n_per_m"] = (normal, normal * gain_error, under)
        if fit.shear_pads:
            found["shear_stiffness_n_per_m"] = (shear, shear * fit.shear_error, under)
        found["gain_spread"] = (float(gain.std()), float(gain.std() / np.sqrt(2 * len(gain))), under)
        found["moment_spread"] = (0.0, 0.0, under + "; the taxels' gains hold it")
    return {name: _entry(name, *facts) for name, facts in found.items()}


def _entry(name: str, value: float, error: float, source: str) -> ParameterEntry:
    unit = next(row[2] for row in provenance() if row[0] == name)
    if not np.isfinite(error):
        return ParameterEntry(value, unit, "fitted", source)
    return ParameterEntry(
        value, unit, "fitted", source, max(value - CONFIDENCE * error, 0.0), value + CONFIDENCE * error
    )
