"""The skin at rest: its baseline, its noise, and the taxels that do not work. Measured, never assumed.

Firmware differs in where rest is (X and Y around 32 768 on the Allegro kit, around 16 384 in XELA's uSPa46 manual), and
a pad at rest moves by one to eighteen counts between frames (same manual).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.uskin.hold import OLDEST_AGE_MS, SATURATED_HIGH
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

MIN_ROWS = 20
RESTLESS_COUNTS = 200
"""Peak to peak of an axis within some seconds beyond which somebody touched the skin; rest noise is below 20."""


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What a recording of the untouched skin says; taxels in canonical order."""

    mean_counts: Array
    """(368, 3) raw counts."""
    noise_counts: Array
    """(368, 3) standard deviation, raw counts."""
    never: Array
    """Taxels (k,) that never sent, or send zeros or the end of the range."""
    stuck: Array
    """Taxels (k,) whose value never moved by a single count."""
    restless: Array
    """Taxels (k,) that moved far more than rest noise: the skin was touched."""


def measure_baseline(flux: Array, age_ms: Array) -> Baseline:
    """Judge T rows of an untouched skin: flux (T, 368, 3) raw counts, age_ms (T, 368).

    Raises ConfigError when there are too few rows to judge.
    """
    if len(flux) < MIN_ROWS:
        raise ConfigError("a baseline needs rows", found=f"{len(flux)}", allowed=f"at least {MIN_ROWS}")
    counts = flux.astype(np.float32)
    at_end = ((flux == 0) | (flux == SATURATED_HIGH)).all(axis=(0, 2))  # (368,)
    never = (age_ms == OLDEST_AGE_MS).all(axis=0) | at_end
    travel = np.ptp(counts, axis=0).max(axis=1)  # (368,)
    return Baseline(
        mean_counts=counts.mean(axis=0, dtype=np.float64),  # float32 sums of a minute are off by a count
        noise_counts=counts.std(axis=0, dtype=np.float64),
        never=np.flatnonzero(never),
        stuck=np.flatnonzero((travel == 0) & ~never),
        restless=np.flatnonzero(travel > RESTLESS_COUNTS),
    )


def taxel_names(taxels: Array, layout: SkinLayout) -> list[str]:
    """Pad and vendor number of taxels, such as `link_6 taxel 3`."""
    return [f"{layout.pads[layout.pad_index[k]].name} taxel {layout.vendor_taxel[k]}" for k in taxels]
