"""The skin at rest: where each taxel stands, how it trembles, how it wanders, and which taxels never move.

The sensor sends a taxel only now and then and the recording holds its last value, so neighbouring rows are the same
number again. White noise survives that: a value that is sent by a threshold on the change, or at random, is as likely
to be left for another as to be left by it, so the held values have the noise's own distribution. Noise and wandering
are told apart by how the mean squared change grows with time: 2 noise^2 + walk^2 frames + (drift time)^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.skin_fit.recording import SkinRecording
from skin_teleop.errors import SessionError
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

SHORTEST_S = 20.0
LAGS_S = np.array([1.5, 2.0, 3.0, 4.0, 5.5, 7.0])
"""Long enough that a resting taxel, updated 2.4 to 4.7 times a second, has spoken in between."""
FRAME_S = 0.01
"""The random walk's parameter is given for this period."""
ROUNDING_COUNTS2 = 1 / 12
"""Variance of rounding to whole counts."""
TOUCHED_COUNTS, TURNED_COUNTS = 25.0, 8.0
"""Range of a taxel's and of a pad's second-long means, without their trend, beyond which something moved."""


@dataclass(frozen=True, eq=False)
class RestFit:
    """What the baseline says."""

    rest_counts: Array
    """(368, 3) median."""
    dead: Array
    """(368,) True for taxels that never moved by one count."""
    noise_counts: float
    noise_error: float
    """Standard error by leaving out one pad at a time."""
    walk_counts: float
    """Random walk, counts a frame of 10 ms."""
    walk_error: float
    noise_by_taxel: Array
    """(368,) rough, of few independent values each; 0 for dead taxels."""


def fit_rest(recording: SkinRecording) -> RestFit:
    """Measure a skin that nothing touches; raises SessionError where the recording cannot tell."""
    if recording.seconds < SHORTEST_S:
        raise SessionError(
            f"the baseline {recording.path} is too short to tell noise from drift",
            found=f"{recording.seconds:.1f} s",
            allowed=f"at least {SHORTEST_S:.0f} s, better 60 s",
            next_step="record a longer baseline with nothing on the skin",
        )
    recording.require_still()
    flux = recording.flux
    dead = (flux == flux[0]).all(axis=(0, 2))
    if dead.all():
        raise SessionError(
            f"the baseline {recording.path} was to show noise",
            found="no taxel moved by one count",
            next_step="skin-teleop doctor --rig RIG.toml: does the skin's server send?",
        )
    squares = _squared_changes(recording, ~dead)
    noise, walk = _noise_and_walk(_pooled(squares, recording.layout, ~dead))
    _require_rest(recording, dead, noise)
    return RestFit(
        np.median(flux, axis=0),
        dead,
        noise,
        _error(squares, recording.layout, ~dead, 0),
        walk,
        _error(squares, recording.layout, ~dead, 1),
        np.sqrt(np.maximum(squares[0] / 2 - ROUNDING_COUNTS2, 0)) * ~dead,
    )


def _squared_changes(recording: SkinRecording, works: Array) -> Array:
    """Mean squared change over each lag, (lags, 368), mean of the three axes; 0 for dead taxels."""
    rows = np.round(LAGS_S / np.median(np.diff(recording.t_s))).astype(int)
    counts = recording.flux.astype(np.float32)
    return np.stack([np.square(counts[lag:] - counts[:-lag]).mean((0, 2)) for lag in rows]) * works


def _pooled(squares: Array, layout: SkinLayout, works: Array, without_pad: int = -1) -> Array:
    """Mean over working taxels (lags,)."""
    chosen = works & (layout.pad_index != without_pad)
    pooled: Array = squares[:, chosen].mean(1)
    return pooled


def _noise_and_walk(growth: Array) -> tuple[float, float]:
    """Noise (counts) and walk (counts a frame) from mean squared changes (lags,)."""
    shape = np.stack([np.ones_like(LAGS_S), LAGS_S, LAGS_S**2], 1)
    level, slope, _ = np.linalg.lstsq(shape, growth, rcond=None)[0]
    noise = np.sqrt(max(level / 2 - ROUNDING_COUNTS2, 0.0))
    return float(noise), float(np.sqrt(max(slope * FRAME_S, 0.0)))


def _error(squares: Array, layout: SkinLayout, works: Array, which: int) -> float:
    """Jackknife over pads of the noise (0) or the walk (1)."""
    pads = [pad.index for pad in layout.pads if works[pad.taxels].any()]
    if len(pads) < 2:
        return 0.0
    values = np.array([_noise_and_walk(_pooled(squares, layout, works, pad))[which] for pad in pads])
    return float(np.sqrt((len(pads) - 1) * values.var()))


def _require_rest(recording: SkinRecording, dead: Array, noise: float) -> None:
    """Raise SessionError when a taxel was touched or a pad turned in the earth's field."""
    second = np.floor(recording.t_s).astype(int)
    edges = np.searchsorted(second, np.arange(int(recording.seconds)))
    means = np.add.reduceat(recording.flux.astype(np.float32), edges, axis=0)[:-1]
    means /= np.diff(edges)[:, None, None]  # (S - 1, 368, 3)
    time = np.arange(len(means)) - (len(means) - 1) / 2
    means -= means.mean(0)
    means -= time[:, None, None] * np.einsum("s,ska->ka", time, means) / np.square(time).sum()
    travel = np.ptp(means, axis=0).max(-1) * ~dead  # (368,)
    pads = [pad for pad in recording.layout.pads if not dead[pad.taxels].all()]
    turned = [float(np.ptp(np.median(means[:, pad.taxels], axis=1), axis=0).max()) for pad in pads]
    if travel.max() > max(TOUCHED_COUNTS, 8 * noise) or max(turned) > TURNED_COUNTS:
        worst = recording.layout.pads[recording.layout.pad_index[int(travel.argmax())]].name
        raise SessionError(
            f"the baseline {recording.path} must show a skin at rest",
            found=f"a taxel of {worst} that moved by {travel.max():.0f} counts, a whole pad by {max(turned):.0f}",
            allowed=f"{max(TOUCHED_COUNTS, 8 * noise):.0f} counts for a taxel, {TURNED_COUNTS:.0f} for a pad",
            next_step="record again: hand still, nothing on the skin, no steel or magnet moving nearby",
        )
