"""Scores as sums over recordings, so that whole recordings can be drawn again for intervals (cluster bootstrap)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoder.benchmark.tasks import Kind
from skin_teleop.transforms import Array

DRAWS = 2000
LEVEL = 0.95
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """A score with its 95 % interval over draws of recordings."""

    value: float
    low: float
    high: float


def sums_of(kind: Kind, truth: Array, answer: Array, recording: Array) -> Array:
    """(R, S) what each recording adds to a score, from truth and answers (n, k) and each row's recording (n,)."""
    terms = _amount_terms(truth, answer) if kind == "amount" else _recall_terms(kind, truth > 0.5, answer)
    clusters = np.unique(recording)
    return np.stack([terms[recording == cluster].sum(0) for cluster in clusters])


def score(kind: Kind, sums: Array) -> Array:
    """(...,) score of sums (..., S); NaN where nothing can be said.

    `amount`: 1 - squared error / variance about each column's mean, all columns added up. Else: recall averaged over
    the classes that occur (for flags: over both classes of the columns in which both occur).
    """
    if kind == "amount":
        count, total, squares, errors = sums[..., :1], *np.split(sums[..., 1:], 3, axis=-1)
        spread = (squares - total**2 / np.maximum(count, 1)).sum(-1)
        return np.asarray(np.where(spread > _TINY, 1 - errors.sum(-1) / np.maximum(spread, _TINY), np.nan))
    hits, counts = np.split(sums, 2, axis=-1)
    occurs = counts > 0
    if kind == "flags":
        both = np.logical_and(*np.split(occurs, 2, axis=-1))
        occurs = np.concatenate([both, both], -1)
    recalls = np.where(occurs, hits / np.maximum(counts, 1), 0).sum(-1)
    return np.asarray(np.where(occurs.any(-1), recalls / np.maximum(occurs.sum(-1), 1), np.nan))


def draws_of(recordings: int, seed: int = 0) -> Array:
    """(DRAWS + 1, R) how often each recording is drawn; the first row is every recording once."""
    return _again(recordings, np.random.default_rng([seed, 41]))


def drawn_scores(kind: Kind, sums: Array, draws: Array, seed: int = 0) -> Array:
    """(DRAWS + 1,) mean score under every draw, from sums (members, label draws, R, S).

    Beside the recordings, each draw takes the draws of labels and the members (seeds of pretraining) again, so that
    an interval knows all three. Draws of labels are the same for every row, which pairs differences in them too.
    """
    members, labels = sums.shape[:2]
    scores = score(kind, np.einsum("dr,mlrs->dmls", draws, sums))  # (D, M, L)
    of_labels = _again(labels, np.random.default_rng([seed, 43])) / labels
    of_members = _again(members, np.random.default_rng([seed, 47])) / members
    mean: Array = np.einsum("dml,dm,dl->d", scores, of_members, of_labels)
    return mean


def _again(count: int, rng: np.random.Generator) -> Array:
    """(DRAWS + 1, count) how often each of some is drawn with replacement; the first row is each once."""
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return np.concatenate([np.ones((1, count)), drawn])


def interval(drawn: Array) -> Interval:
    """The score of all recordings once, and where 95 % of the draws lie; feed a difference for paired intervals."""
    if not np.isfinite(drawn[0]):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.nanquantile(drawn[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(drawn[0]), float(low), float(high))


def _amount_terms(truth: Array, answer: Array) -> Array:
    return np.concatenate([np.ones((len(truth), 1)), truth, truth**2, (truth - answer) ** 2], 1)


def _recall_terms(kind: Kind, truth: Array, answer: Array) -> Array:
    """Hits, then counts, of each class (n, 2C); a flag's two answers are two classes."""
    if kind == "flags":
        told = answer > 0.5
        truth, told = np.concatenate([truth, ~truth], 1), np.concatenate([told, ~told], 1)
    else:
        told = np.eye(truth.shape[1], dtype=bool)[answer.argmax(1)]
    return np.concatenate([truth & told, truth], 1).astype(float)
