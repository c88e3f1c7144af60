"""Lengths of time on the command line."""

from __future__ import annotations

import argparse
import math

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str) -> float:
    """Seconds from `90`, `90s`, `10m` or `2h`; for an argument's `type`, so anything else is an error of usage."""
    number, unit_s = (text[:-1], _UNITS_S[text[-1]]) if text[-1:] in _UNITS_S else (text, 1.0)
    try:
        seconds = float(number) * unit_s
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time; allowed: 90, 90s, 10m or 2h")
    return seconds
