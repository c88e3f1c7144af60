"""What a press recording really measured: the moments at which taxels spoke, in short bins, away from force steps.

A held value is old; only a row in which a taxel's value changed is news. Just after a force step the scan's delay would
be taken for a lag of the rubber, so those bins are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_tools.skin_fit.forces import Forces
from dataset_tools.skin_fit.recording import SkinRecording
from skin_teleop.skin_layout import Pad
from skin_teleop.transforms import Array

BIN_S = 0.04
BEFORE_S, AFTER_S = 3.0, 30.0
"""Of a pad's first and last press: what is used of the recording."""
BLIND_S = 0.16
"""Time after a step of force that is not looked at."""
STEP_SHARE = 0.02
"""Of the largest force on the pad: a change by more, within one bin, is a step."""
SHEAR_SETTLES_S = 2.5
"""After a change of shear, its remembered part (guess: 1 s) is still on its way."""


@dataclass(frozen=True, eq=False)
class PadSamples:
    """Bins of one pad, B of them, n taxels."""

    pad: Pad
    t_s: Array
    """(B,) s since the first bin."""
    force_n: Array
    """(B, n, 3) pad frame."""
    counts: Array
    """(B, n, 3) mean of the news in the bin."""
    weight: Array
    """(B, n) number of news; 0 where there is nothing to compare."""
    settled: Array
    """(B,) True where shear has not changed lately."""

    def long_press(self) -> tuple[int, int, int]:
        """Bins where the longest even press without shear begins, where it ends, and where the rest after it ends."""
        total = self.force_n.sum(1)
        pressed = (np.linalg.norm(total, axis=-1) > 0) & (np.linalg.norm(total[:, :2], axis=-1) < -0.1 * total[:, 2])
        first, last = _longest(pressed & ~stepping(self))
        free = np.flatnonzero(np.linalg.norm(total[last:], axis=-1) == 0)
        after = last + (free[0] if len(free) else 0)
        again = np.flatnonzero(np.linalg.norm(total[after:], axis=-1) > 0)
        return first, last, after + int(again[0]) if len(again) else len(total)

    def only(self, first: int, last: int) -> PadSamples:
        """The same with news between two bins alone; forces of other times still have their late effects."""
        bins = np.arange(len(self.t_s))
        weight = self.weight * ((bins >= first) & (bins < last))[:, None]
        return PadSamples(self.pad, self.t_s, self.force_n, self.counts, weight, self.settled)


def pad_samples(recording: SkinRecording, forces: Forces, pad: Pad, dead: Array) -> PadSamples:
    """Bins of a pad that was pressed."""
    touched = np.flatnonzero(np.abs(forces.taxel_n[:, pad.taxels]).sum((1, 2)) > 0)
    first_s, last_s = recording.t_s[touched[0]] - BEFORE_S, recording.t_s[touched[-1]] + AFTER_S
    first, last = np.searchsorted(recording.t_s, [first_s, last_s])
    t_s = recording.t_s[first:last] - recording.t_s[first]
    flux = recording.flux[first:last, pad.taxels]
    news = np.zeros(flux.shape[:2], bool)
    news[1:] = (flux[1:] != flux[:-1]).any(-1) & ~dead[pad.taxels]
    index = (t_s / BIN_S).astype(int)
    bins = index[-1] + 1
    rows, weight = np.bincount(index, minlength=bins), _binned(news.astype(float), index, bins)
    counts = _binned(flux * news[..., None], index, bins) / np.maximum(weight, 1)[..., None]
    force_n = _binned(forces.taxel_n[first:last, pad.taxels], index, bins) / np.maximum(rows, 1)[:, None, None]
    samples = PadSamples(pad, BIN_S * (np.arange(bins) + 0.5), force_n, counts, weight, np.ones(bins, bool))
    weight *= ~_lately(stepping(samples), BLIND_S)[:, None] * (rows > 0)[:, None]
    samples.settled[:] = ~_lately(_changes(force_n[..., :2].sum(1)), SHEAR_SETTLES_S)
    return samples


def stepping(samples: PadSamples) -> Array:
    """(B,) True where the force on the pad changes."""
    return _changes(samples.force_n.sum(1))


def _longest(wanted: Array) -> tuple[int, int]:
    """First bin of the longest run of True and the bin after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(int))).reshape(-1, 2)
    first, last = edges[np.argmax(edges[:, 1] - edges[:, 0])] if len(edges) else (0, 0)
    return int(first), int(last)


def _changes(force_n: Array) -> Array:
    size = max(float(np.linalg.norm(force_n, axis=-1).max()), 1e-9)
    changes = np.linalg.norm(np.diff(force_n, axis=0, prepend=force_n[:1]), axis=-1) > STEP_SHARE * size
    return np.asarray(changes)


def _lately(event: Array, seconds: float) -> Array:
    """True at an event and for a while after it."""
    window = np.ones(round(seconds / BIN_S) + 1)
    return np.asarray(np.convolve(event, window)[: len(event)] > 0)


def _binned(values: Array, index: Array, bins: int) -> Array:
    """Sums of rows (T, ...) by bin (bins, ...)."""
    sums = np.zeros((bins, *values.shape[1:]))
    np.add.at(sums, index, values)
    return sums
