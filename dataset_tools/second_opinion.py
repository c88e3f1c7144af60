"""A second opinion on proposed contacts: where `ruptures` sees the skin change, near the edges that hysteresis found.

The edge of a contact is looked for anew as the one best cut of the logarithm of the skin's energy within 1.5 s on
either side (kernel change-point detection with a linear kernel, Truong, Oudre and Vayatis 2020). The two methods agree
where their edges are no more than 250 ms apart.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from dataset_tools.proposal_quality import TOLERANCE_NS
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.errors import MissingPartError
from skin_teleop.messages import Array

AROUND_NS = 1500 * NS_PER_S // 1000
FEWEST_ROWS = 10
"""On each side of a cut: 0.1 s of skin frames."""


def second_opinion(energy: Array, t_mono_ns: Array, edge_ns: int) -> int | None:
    """How far `ruptures` puts the edge from where it was proposed, ns (later is positive).

    `energy` is (T,) in units of noise at `t_mono_ns`. None where there are too few rows around the edge. Raises
    MissingPartError when `ruptures` is not installed.
    """
    ruptures = _ruptures()
    first, last = np.searchsorted(t_mono_ns, [edge_ns - AROUND_NS, edge_ns + AROUND_NS])
    if last - first < 2 * FEWEST_ROWS:
        return None
    signal = np.log1p(energy[first:last].astype(np.float64))[:, None]
    cut = ruptures.KernelCPD(kernel="linear", min_size=FEWEST_ROWS).fit(signal).predict(n_bkps=1)[0]
    return int(t_mono_ns[first + cut]) - edge_ns


def agreement_facts(energy: Array, t_mono_ns: Array, edges_ns: tuple[int, int]) -> dict[str, Any]:
    """Attributes of a proposal: ms from its start and its end to those of `ruptures`, and whether both agree."""
    found = [second_opinion(energy, t_mono_ns, edge_ns) for edge_ns in edges_ns]
    distances_ms = [None if distance_ns is None else distance_ns // NS_PER_MS for distance_ns in found]
    agrees = all(distance_ns is not None and abs(distance_ns) <= TOLERANCE_NS for distance_ns in found)
    return {"ruptures_ms": distances_ms, "ruptures_agrees": agrees}


def _ruptures() -> Any:
    try:
        return import_module("ruptures")
    except ImportError as error:
        raise MissingPartError(
            "a second opinion on proposals was asked for",
            found=str(error),
            next_step="pip install 'skin-teleop[label]'",
        ) from error
