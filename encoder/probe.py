"""Judge a frozen encoder by linear probes for contact and force on each pad, beside two honest yardsticks.

The three feature sets share windows, split, head and search: ridge in closed form, its penalty chosen on the
validation part, then fitted on train and validation, scored on the held-out part. `random` is the same architecture
before any training; `raw` are statistics of the skin's own numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoder.features import encoder_features, raw_features, untrained
from encoder.model import SparshSkinEncoder
from encoder.ridge import (
    PENALTIES,
    DualRidge,
    balanced_accuracy,
    class_midpoints,
    explained_variance,
    inner_products,
)
from encoder.windows import HELD_OUT, TRAIN, VALIDATION, TactileWindows
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array

CONTACT_N = 0.15
"""A pad is in contact above this force; Sparsh-skin's force task keeps windows above 0.15 N."""
FORCE_RANGE_N = 10.0
"""Larger forces count as this: a uSPa46 taxel is specified up to about 7 N (XELA data sheet) and its counts soon leave
the validity gate; a simulated impact of hundreds of newtons would otherwise be the whole variance."""
MAIN_METRIC = "force_r2"
RANDOM_SEEDS = 3
MAX_WINDOWS = 800
_FEWEST_OF_A_CLASS = 3
PROTOCOL = (
    f"ridge on frozen features; force = size of the true force on a pad at the window's last frame, at most "
    f"{FORCE_RANGE_N:.0f} N, R2 weighted by variance over pads that touch in every part; contact = force above "
    f"{CONTACT_N} N, balanced accuracy averaged over the same pads; penalty chosen on the validation part; scores on "
    f"held-out moments of the same recordings"
)

Scores = dict[str, float]


@dataclass(frozen=True, eq=False)
class ProbeTask:
    """Windows, their part, and their true pad forces; the same for every feature set."""

    rows: Array
    """(n,) rows of the windows."""
    part: Array
    """(n,) TRAIN, VALIDATION or HELD_OUT."""
    force_n: Array
    """(n, p) force on the pads that are judged, N."""
    pads: Array
    """(p,) indices of the pads that have contact and no contact in every part."""

    @property
    def contact(self) -> Array:
        """(n, p) bool."""
        touching: Array = self.force_n > CONTACT_N
        return touching


def probe_task(windows: TactileWindows, max_windows: int = MAX_WINDOWS) -> ProbeTask:
    """Pick at most `max_windows` windows evenly in time; raises SessionError where truth or contact is missing."""
    if not windows.have_truth:
        raise SessionError(
            "a probe was asked for",
            found="sessions without the stream 'truth'",
            allowed="sessions of a simulated rig",
            next_step="record with: skin-teleop up --rig simulated",
        )
    shares = {TRAIN: 0.45, VALIDATION: 0.2, HELD_OUT: 0.35}
    rows = np.concatenate([_evenly(windows.rows(part), int(share * max_windows)) for part, share in shares.items()])
    part = windows.part[rows]
    force_n = np.minimum(windows.pad_force_n(rows), FORCE_RANGE_N)
    touching = force_n > CONTACT_N
    counts = [np.minimum(touching[part == p].sum(0), (~touching[part == p]).sum(0)) for p in shares]
    pads = np.flatnonzero(np.min(counts, axis=0) >= _FEWEST_OF_A_CLASS)
    if not len(pads):
        raise SessionError(
            "a probe of contact was asked for",
            found="no pad that touches and rests in the train, validation and held-out part",
            allowed=f"at least {_FEWEST_OF_A_CLASS} windows of both kinds in each part",
            next_step="use a longer session with more contact",
        )
    return ProbeTask(rows, part, force_n[:, pads].astype(np.float64), pads)


def probe(encoder: SparshSkinEncoder, windows: TactileWindows, task: ProbeTask) -> dict[str, dict[str, float | str]]:
    """Held-out scores of the encoder, of untrained ones of its size (mean over 3 seeds) and of raw pad statistics."""
    of_untrained = [
        held_out_scores(encoder_features(untrained(encoder, seed), windows, task.rows), task)
        for seed in range(RANDOM_SEEDS)
    ]
    mean = {name: float(np.mean([scores[name] for scores in of_untrained])) for name in of_untrained[0]}
    return {
        "encoder": _row(held_out_scores(encoder_features(encoder, windows, task.rows), task), 1),
        "random": _row(mean, RANDOM_SEEDS),
        "raw": _row(held_out_scores([raw_features(windows, task.rows)], task), 1),
    }


def validation_scores(blocks: Sequence[Array], task: ProbeTask) -> Scores:
    """Scores of feature blocks on the validation part with the best penalty there; for choosing between networks."""
    train, validation = task.part == TRAIN, task.part == VALIDATION
    candidates = _candidates(inner_products(blocks, train), task, train, validation)
    return {name: max(scores[name] for scores in candidates) for name in candidates[0]}


def held_out_scores(blocks: Sequence[Array], task: ProbeTask) -> Scores:
    """Scores on the held-out part; nothing about that part enters the fit or the choice of the penalty."""
    train, validation, held_out = (task.part == part for part in (TRAIN, VALIDATION, HELD_OUT))
    products = inner_products(blocks, train)
    candidates = _candidates(products, task, train, validation)
    final = _candidates(products, task, train | validation, held_out)
    best = {name: int(np.argmax([scores[name] for scores in candidates])) for name in candidates[0]}
    return {name: final[index][name] for name, index in best.items()}


def _candidates(products: Array, task: ProbeTask, fit: Array, judge: Array) -> list[Scores]:
    """Scores of every penalty, fitted on some windows and judged on others."""
    contact, n_pads = task.contact, len(task.pads)
    targets = np.concatenate([task.force_n, contact], axis=1)  # (n, 2p)
    ridge, to_fitted = DualRidge(products[np.ix_(fit, fit)], targets[fit]), products[np.ix_(judge, fit)]
    scores: list[Scores] = []
    for penalty in PENALTIES:
        fitted, judged = ridge.tell(penalty, to_fitted)
        touching = judged[:, n_pads:] > class_midpoints(fitted[:, n_pads:], contact[fit])
        scores.append(
            {
                "force_r2": explained_variance(task.force_n[judge], judged[:, :n_pads]),
                "contact_balanced_accuracy": balanced_accuracy(contact[judge], touching),
            }
        )
    return scores


def _row(scores: Scores, seeds: int) -> dict[str, float | str]:
    return {"metric": MAIN_METRIC, "value": scores[MAIN_METRIC], "seeds": seeds, **scores}


def _evenly(rows: Array, count: int) -> Array:
    if len(rows) <= count:
        return rows
    picked: Array = rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
    return picked
