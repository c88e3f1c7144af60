"""What the skin says when nothing touches it: the baseline that every change is measured from."""

from __future__ import annotations

import numpy as np

from dataset_tools.stream import Stream
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import Array

REST_NS = 800 * NS_PER_S // 1000
"""Without a mark, the baseline is the median of the first 0.8 s."""
MIN_NOISE_COUNTS = 1.0


def skin_rest(skin: Stream, rest_span_ns: tuple[int, int] | None) -> tuple[Array, Array]:
    """Baseline and noise of every channel, (368, 3) float32 counts each, in a span of rest (t_mono ns).

    The baseline is the median there, the noise the standard deviation, at least one count. Without a span, the first
    0.8 s count as rest.
    """
    first_ns = int(skin.t_mono[0])
    start_ns, end_ns = rest_span_ns or (first_ns, first_ns + REST_NS)
    first, last = np.searchsorted(skin.t_mono, [start_ns, end_ns])
    rest = skin.read("flux", int(first), max(int(last), int(first) + 1)).astype(np.float32)  # (R, 368, 3)
    return np.median(rest, axis=0), np.maximum(rest.std(axis=0), MIN_NOISE_COUNTS)
