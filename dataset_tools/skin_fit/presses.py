"""Fit gains and time constants to presses of known force: linear in the gains, Gauss-Newton in the rest.

For given time constants each taxel has its own best offset, drift and gain, found by linear least squares; the time
constants are then moved to make what is left smallest (variable projection, G. Golub and V. Pereyra, SIAM J. Numer.
Anal. 10, 1973). Only the product of stiffness, magnet and electronics shows in the counts, so magnet and electronics
keep their standard values and the stiffnesses take up the mean.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from dataset_tools.skin_fit.response import SkinResponse, lagging
from dataset_tools.skin_fit.samples import BIN_S, PadSamples
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

TIMES = ("hysteresis", "hysteresis_s", "creep", "creep_s")
LOWEST, HIGHEST = np.array([0.002, 0.1, 0.002, 2.0]), np.array([0.4, 1.9, 0.4, 60.0])
"""Range of the search; the gap between the two time constants tells them apart."""
NUDGE = 0.03
"""Relative step of the numerical derivative."""
STEPS, DAMPINGS, ENOUGH = 8, 4, 0.02
"""Gauss-Newton steps, tries at each with more damping, and the relative step that ends the search."""
BEFORE_S = 1.5
"""Rest before the long press that is used."""
MIN_SHEAR_N = 0.3
"""On a pad, for its shear to be used."""


@dataclass(frozen=True, eq=False)
class PressFit:
    """What the presses say."""

    parameters: SkinParameters
    gain: Array
    """(368,) relative to the model's; NaN where nothing was pressed or nothing answered."""
    gain_error: Array
    """(368,) standard error by the scatter of the fit."""
    time_error: Array
    """(4,) relative standard errors of the time constants, by leaving out one pad at a time."""
    shear_pads: int
    """Pads on which shear was held; 0 leaves the shear's stiffness as it was."""
    shear_error: float
    """Relative standard error of the shear's stiffness."""
    residual_counts: float
    """Root mean square of what the model leaves of z."""
    explained: float
    """Share of the variance of z that the model explains."""


@dataclass(frozen=True, eq=False)
class _Lines:
    """Straight-line fits of n taxels: offset + drift t + gain shape."""

    gain: Array
    gain_error: Array
    left: Array
    """(B, n) residuals times the square root of their weight."""
    variance: float
    """Weighted sum of squares about each taxel's mean."""


def fit_presses(samples: list[PadSamples], layout: SkinLayout, start: SkinParameters) -> PressFit:
    """Fit all pads together, from `start` on: stiffness, time constants by the long presses, then stiffness again."""
    parameters, _ = _fit_stiffness(samples, layout, start, 1)
    response = SkinResponse(layout, parameters)
    parameters, time_error = _fit_times(samples, response, parameters)
    parameters, fitted = _fit_stiffness(samples, layout, parameters, 2)
    left, weight = sum(np.square(line.left).sum() for line in fitted.lines), sum(pad.weight.sum() for pad in samples)
    shear = fitted.shear
    return PressFit(
        parameters=parameters,
        gain=fitted.gain,
        gain_error=_by_taxel(samples, [line.gain_error for line in fitted.lines]),
        time_error=time_error,
        shear_pads=len(shear),
        shear_error=float(np.std(shear) / np.mean(shear) / np.sqrt(len(shear))) if shear else 0.0,
        residual_counts=float(np.sqrt(left / weight)),
        explained=float(1 - left / sum(line.variance for line in fitted.lines)),
    )


@dataclass(frozen=True, eq=False)
class _Stiffness:
    lines: list[_Lines]
    gain: Array
    """(368,) about one."""
    shear: list[float]
    """Answer to shear, relative to the model's, one for each pad and direction."""


def _fit_stiffness(
    samples: list[PadSamples], layout: SkinLayout, parameters: SkinParameters, rounds: int
) -> tuple[SkinParameters, _Stiffness]:
    """Stiffnesses that bring the mean gain to one."""
    for _ in range(rounds):
        response = SkinResponse(layout, parameters)
        lines = [_lines(pad, response, _times(parameters)) for pad in samples]
        gain = _by_taxel(samples, [line.gain for line in lines])
        mean, shear = float(np.nanmean(gain)), _shear_ratios(samples, response, parameters, gain)
        parameters = dataclasses.replace(
            parameters,
            normal_stiffness_n_per_m=parameters.normal_stiffness_n_per_m / mean,
            shear_stiffness_n_per_m=parameters.shear_stiffness_n_per_m / float(np.mean(shear) if shear else 1.0),
        )
    return parameters, _Stiffness(lines, gain / mean, shear)


def _times(parameters: SkinParameters) -> Array:
    return np.array([getattr(parameters, name) for name in TIMES])


@dataclass(frozen=True, eq=False)
class _LongPress:
    """One pad about its longest press, reduced to how far each magnet goes down and what its cell makes of it."""

    samples: PadSamples
    down_m: Array
    """(B, n, 1) settled displacement along the normal."""
    per_m: Array
    """(n,) counts/m."""
    per_m2: Array
    """(n,) counts/m^2; both by the model's answer to the press and to half of it."""

    def lines(self, times: Array) -> _Lines:
        """Fit the z of every taxel for given time constants (4,)."""
        moved_m = lagging(self.down_m, BIN_S, *times)[..., 0]
        shown = self.per_m * moved_m + self.per_m2 * moved_m**2
        return _regress(shown, self.samples.counts[..., 2], self.samples.weight, self.samples.t_s)

    def equations(self, at: Array) -> tuple[Array, Array]:
        """Gauss-Newton matrix (4, 4) and right side (4,), in the logarithms of the time constants."""
        left = self.lines(at).left
        nudged = [self.lines(at * np.where(np.arange(4) == k, 1 + NUDGE, 1.0)).left for k in range(4)]
        slope = np.stack([(other - left).ravel() for other in nudged]) / np.log1p(NUDGE)  # (4, B n)
        return slope @ slope.T, -slope @ left.ravel()


def _long_press(pad: PadSamples, response: SkinResponse) -> _LongPress:
    """News of a long press, of a little rest before it and of the rest after it: other presses would blur the creep."""
    first, last, end = pad.long_press()
    down_m = response.pressed_m(pad.pad.index, pad.force_n)
    deepest = down_m[(first + last) // 2][None]
    whole, half = (response.counts(pad.pad.index, share * deepest)[0, :, 2] for share in (1.0, 0.5))
    depth_m = np.minimum(deepest[0, :, 2], -1e-9)
    samples = pad.only(first - round(BEFORE_S / BIN_S), end)
    return _LongPress(samples, down_m[..., 2:], (4 * half - whole) / depth_m, (2 * whole - 4 * half) / depth_m**2)


def _fit_times(
    samples: list[PadSamples], response: SkinResponse, parameters: SkinParameters
) -> tuple[SkinParameters, Array]:
    """The parameters with better time constants, and their relative standard errors.

    By flat pads where there are any: a press on a curved tip drags its sides, and remembered shear would blur the lag.
    """
    flat = [pad for pad in samples if pad.pad.kind != "curved"] or samples
    presses = [_long_press(pad, response) for pad in flat]
    at, damping = np.clip(_times(parameters), LOWEST, HIGHEST), 1e-3
    left = _left(presses, at)
    for _ in range(STEPS):
        equations = [press.equations(at) for press in presses]
        squares, slopes = (np.sum([pair[k] for pair in equations], axis=0) for k in (0, 1))
        for _ in range(DAMPINGS):
            step = np.clip(_solve(squares, slopes, damping), -1.0, 1.0)
            tried = np.clip(at * np.exp(step), LOWEST, HIGHEST)
            better = _left(presses, tried)
            if better < left:
                at, left, damping = tried, better, damping / 10
                break
            damping *= 10
        if np.abs(step).max() < ENOUGH:
            break
    return dataclasses.replace(parameters, **dict(zip(TIMES, at.tolist()))), _jackknife(equations, squares, slopes)


def _left(presses: list[_LongPress], at: Array) -> float:
    """Sum of squares that the model leaves."""
    return float(sum(np.square(press.lines(at).left).sum() for press in presses))


def _solve(squares: Array, slopes: Array, damping: float = 0.0) -> Array:
    """A Levenberg-Marquardt step."""
    step: Array = np.linalg.solve(squares + damping * np.diag(np.diag(squares)) + 1e-9 * np.eye(4), slopes)
    return step


def _jackknife(equations: list[tuple[Array, Array]], squares: Array, slopes: Array) -> Array:
    """Standard errors (4,) from how far the solution moves when one pad is left out; NaN with a single pad."""
    if len(equations) < 2:
        return np.full(4, np.nan)
    moved = np.array([_solve(squares - s, slopes - r) for s, r in equations])
    error: Array = np.sqrt((len(moved) - 1) * moved.var(0))
    return error


def _lines(pad: PadSamples, response: SkinResponse, times: Array) -> _Lines:
    """Fit the z of every taxel for given time constants (4,)."""
    shown = _shown(pad, response, times)[..., 2]
    return _regress(shown, pad.counts[..., 2], pad.weight, pad.t_s)


def _shown(pad: PadSamples, response: SkinResponse, times: Array) -> Array:
    """The model's change of counts (B, n, 3) at gain one."""
    moved_m = lagging(response.pressed_m(pad.pad.index, pad.force_n), BIN_S, *times)
    return response.counts(pad.pad.index, moved_m)


def _regress(shape: Array, counts: Array, weight: Array, t_s: Array) -> _Lines:
    """Weighted least squares of counts (B, n) on 1, time and a shape (B, n), each taxel for itself."""
    time = np.broadcast_to((t_s - t_s.mean())[:, None], shape.shape)
    columns = np.stack([np.ones_like(shape), time, shape], -1)  # (B, n, 3)
    weighted = columns * weight[..., None]
    square = np.einsum("bni,bnj->nij", weighted, columns) + 1e-9 * np.eye(3)
    inverse = np.linalg.inv(square)
    best = np.einsum("nij,bnj,bn->ni", inverse, weighted, counts)
    left = (counts - np.einsum("bni,ni->bn", columns, best)) * np.sqrt(weight)
    news = np.maximum(weight.sum(0), 1)
    mean = (counts * weight).sum(0) / news
    error = np.sqrt(np.square(left).sum(0) / news * inverse[:, 2, 2])
    heard = (weight.sum(0) > 3) & (np.ptp(shape, axis=0) > 1)
    gain = np.where(heard, best[:, 2], np.nan)
    return _Lines(gain, np.where(heard, error, np.nan), left, float((weight * np.square(counts - mean)).sum()))


def _shear_ratios(
    samples: list[PadSamples], response: SkinResponse, parameters: SkinParameters, gain: Array
) -> list[float]:
    """How much more than the model the pads with shear show along it, one number for each pad and direction."""
    ratios = []
    for pad in samples:
        axes = [axis for axis in (0, 1) if np.abs(pad.force_n[..., axis].sum(1)).max() >= MIN_SHEAR_N]
        if not axes:
            continue
        weight, shown = pad.weight * pad.settled[:, None], _shown(pad, response, _times(parameters))
        for axis in axes:
            line = _regress(shown[..., axis], pad.counts[..., axis], weight, pad.t_s)
            ratio = float(np.nanmedian(line.gain / gain[pad.pad.taxels]))
            ratios += [ratio] if ratio > 0 else []
    return ratios


def _by_taxel(samples: list[PadSamples], values: list[Array]) -> Array:
    table = np.full(N_TAXELS, np.nan)
    for pad, of_pad in zip(samples, values):
        table[pad.pad.taxels] = of_pad
    return table
