"""How far two annotators agree: frame by frame, segment by segment, and at the boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataset_tools.labels import Label
from skin_teleop.clock import NS_PER_MS
from skin_teleop.messages import Array

FRAME_NS = 10 * NS_PER_MS
"""Grid on which frames are compared: the skin's period."""
OVERLAPS = (0.1, 0.25, 0.5)
"""Shares of intersection over union at which two segments count as the same (as in temporal action segmentation)."""
NOTHING = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures for two lists of labels over the same span."""

    kappa: float
    """Cohen's kappa (1960) on a 10 ms grid; 1 = equal, 0 = by chance."""
    f1_at_overlap: dict[float, float]
    """Intersection over union to segment F1."""
    boundary_error_ms: float
    """Mean distance of starts and ends of the segments that match at the smallest overlap; NaN where none do."""


def agreement(one: Sequence[Label], other: Sequence[Label], start_ns: int, end_ns: int) -> Agreement:
    """Compare two lists of labels within start_ns..end_ns (t_mono)."""
    pairs = {overlap: matches(one, other, overlap) for overlap in OVERLAPS}
    total = len(one) + len(other)
    f1 = {overlap: 2 * len(found) / total if total else 1.0 for overlap, found in pairs.items()}
    distances_ns = [
        abs(a - b)
        for left, right in pairs[OVERLAPS[0]]
        for a, b in ((left.t_start_mono_ns, right.t_start_mono_ns), (left.t_end_mono_ns, right.t_end_mono_ns))
    ]
    error_ms = float(np.mean(distances_ns)) / NS_PER_MS if distances_ns else float("nan")
    return Agreement(cohen_kappa(_frames(one, start_ns, end_ns), _frames(other, start_ns, end_ns)), f1, error_ms)


def matches(one: Sequence[Label], other: Sequence[Label], overlap: float) -> list[tuple[Label, Label]]:
    """Pairs of equally named segments with at least this intersection over union; each segment is used once."""
    candidates = [(_overlap(a, b), i, k) for i, a in enumerate(one) for k, b in enumerate(other) if a.label == b.label]
    found, used_one, used_other = [], set[int](), set[int]()
    for share, i, k in sorted(candidates, reverse=True):
        if share >= overlap and i not in used_one and k not in used_other:
            used_one.add(i)
            used_other.add(k)
            found.append((one[i], other[k]))
    return found


def cohen_kappa(one: Array, other: Array) -> float:
    """Agreement of two label sequences (T,) beyond chance; 1 where both are the same single word throughout."""
    words = np.union1d(one, other)
    observed = float((one == other).mean())
    chance = sum(float((one == word).mean()) * float((other == word).mean()) for word in words)
    return 1.0 if chance >= 1.0 else (observed - chance) / (1 - chance)


def _overlap(a: Label, b: Label) -> float:
    together = min(a.t_end_mono_ns, b.t_end_mono_ns) - max(a.t_start_mono_ns, b.t_start_mono_ns)
    span = max(a.t_end_mono_ns, b.t_end_mono_ns) - min(a.t_start_mono_ns, b.t_start_mono_ns)
    return max(0, together) / span


def _frames(labels: Sequence[Label], start_ns: int, end_ns: int) -> Array:
    """The word at every frame of the span, (T,); the later label wins where two overlap."""
    times_ns = np.arange(start_ns, end_ns, FRAME_NS)
    words = np.full(len(times_ns), NOTHING, dtype=object)
    for label in labels:
        words[(times_ns >= label.t_start_mono_ns) & (times_ns < label.t_end_mono_ns)] = label.label
    return words.astype(str)
