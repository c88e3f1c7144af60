"""How well proposals meet labels whose times are known otherwise, such as the phases of a simulated script."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataset_tools.labels import Label
from skin_teleop.clock import NS_PER_MS

TOLERANCE_NS = 250 * NS_PER_MS
"""A boundary is met by a proposed one that is no farther away."""
JOIN_NS = 50 * NS_PER_MS
"""Labels of one word that follow each other this closely are one stretch of the action."""

Span = tuple[int, int]
"""Start and end, t_mono ns."""


@dataclass(frozen=True, slots=True)
class Score:
    """Boundaries that were there, that were proposed, and that met."""

    there: int = 0
    proposed: int = 0
    met: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.there + other.there, self.proposed + other.proposed, self.met + other.met)

    @property
    def recall(self) -> float:
        """Share of the boundaries that were met; 1 where there are none."""
        return self.met / self.there if self.there else 1.0

    @property
    def precision(self) -> float:
        """Share of the proposed boundaries that met one; 1 where none was proposed."""
        return self.met / self.proposed if self.proposed else 1.0


def stretches(labels: Iterable[Label]) -> dict[str, list[Span]]:
    """Word to its stretches in order of time, with repetitions that follow each other joined."""
    found: dict[str, list[Span]] = {}
    for label in sorted(labels, key=lambda label: label.t_start_mono_ns):
        spans = found.setdefault(label.label, [])
        if spans and label.t_start_mono_ns - spans[-1][1] <= JOIN_NS:
            spans[-1] = (spans[-1][0], max(spans[-1][1], label.t_end_mono_ns))
        else:
            spans.append((label.t_start_mono_ns, label.t_end_mono_ns))
    return found


def met(there_ns: Sequence[int], proposed_ns: Sequence[int], tolerance_ns: int = TOLERANCE_NS) -> int:
    """How many boundaries are met, each proposed one used once; both in order of time.

    Taking the first that fits from the left is the most that can be met, because all tolerances are equal.
    """
    rest = iter(sorted(proposed_ns))
    candidate = next(rest, None)
    count = 0
    for boundary in sorted(there_ns):
        while candidate is not None and candidate < boundary - tolerance_ns:
            candidate = next(rest, None)
        if candidate is not None and candidate <= boundary + tolerance_ns:
            count, candidate = count + 1, next(rest, None)
    return count


def score(there: Sequence[Span], proposed: Sequence[Span], edge: int | None = None) -> Score:
    """Compare spans by their starts (edge 0), their ends (edge 1) or both (None); a start is never met by an end."""
    if edge is None:
        return score(there, proposed, 0) + score(there, proposed, 1)
    known, found = ([span[edge] for span in spans] for spans in (there, proposed))
    return Score(len(known), len(found), met(known, found))


def overlapping(there: Sequence[Span], proposed: Sequence[Span]) -> Score:
    """Compare spans as wholes: one is met where a proposed span shares more than half of their union."""
    pairs = itertools.product(there, proposed)
    hits = sum(2 * (min(a[1], b[1]) - max(a[0], b[0])) > max(a[1], b[1]) - min(a[0], b[0]) for a, b in pairs)
    return Score(len(there), len(proposed), hits)
