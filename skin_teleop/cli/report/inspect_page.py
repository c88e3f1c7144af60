"""A session as one HTML file: lanes that a person pans and zooms, nothing loaded from anywhere.

The numbers are embedded as bytes, a level of the overview after the other, low values of a lane before its high ones: 0
is no value, 1 to 255 spread evenly over the lane's range. So the file's size depends on the number of lanes, not on the
length of the session.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from dataset_tools.events import EventRow
from dataset_tools.labels import Label
from dataset_tools.overview import Level, Overview
from dataset_tools.overview_sources import Lane
from skin_teleop.cli.report.colours import (
    AMBER,
    BACKGROUND,
    BLUE,
    FAINT,
    FINGER_COLOURS,
    GREEN,
    GRID,
    LABEL_COLOURS,
    PANEL,
    TEAL,
    TEXT,
)
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import Array

FINEST_BUCKETS = 40_000
"""Most buckets of the finest embedded level: an hour at 0.1 s, about 10 MB of page."""
STEPS = 254
LOG_GROUPS = ("skin",)
"""Groups that are shown by the logarithm of one plus the value, because touches differ by a thousand times."""
SHARED_GROUPS = ("skin", "torque")
"""Groups whose lanes have one range together, so that they can be compared."""
LEAST_RANGE = {"°": 4.0, "Nm": 0.05, "m": 0.02, "mm": 5.0}
"""A lane that hardly moves is not blown up to its full height."""
MAX_EVENTS = 2000


def inspect_page(
    title: str,
    facts: Mapping[str, str],
    overview: Overview,
    labels: Mapping[str, Sequence[Label]],
    events: Sequence[EventRow],
    session_start_ns: int,
) -> str:
    """The page; times on it are seconds since `session_start_ns` (t_mono). `labels` are by labelset."""
    levels = [level for level in overview.levels if len(level.low) <= FINEST_BUCKETS] or [overview.levels[-1]]
    ranges = lane_ranges(overview.lanes, levels[0])
    offset_ns = overview.start_ns - session_start_ns
    content = {
        "start": offset_ns / NS_PER_S,
        "end": (overview.end_ns - session_start_ns) / NS_PER_S,
        "lanes": [_lane(lane, *bounds) for lane, bounds in zip(overview.lanes, ranges)],
        "levels": [{"bucket": level.bucket_ns / NS_PER_S, "count": len(level.low)} for level in levels],
        "labels": [_label(name, label, session_start_ns) for name, found in labels.items() for label in found],
        "labelsets": list(labels),
        "events": [_event(event, session_start_ns) for event in events[:MAX_EVENTS]],
        "colours": {"labels": LABEL_COLOURS, "fingers": FINGER_COLOURS, "other": TEAL} | _plain_colours(),
    }
    data = b"".join(level_bytes(overview.lanes, ranges, level) for level in levels)
    return _document(title, facts, content, data)


def lane_ranges(lanes: Sequence[Lane], finest: Level) -> list[tuple[float, float]]:
    """Lowest and highest shown value of every lane, in the lane's unit (for the skin: log10 of one plus counts)."""
    low, high = np.fmin.reduce(finest.low), np.fmax.reduce(finest.high)  # (lanes,)
    bounds: list[tuple[float, float]] = []
    for lane in lanes:
        together = [i for i, other in enumerate(lanes) if _range_name(other) == _range_name(lane)]
        if not np.isfinite(low[together]).any():
            bounds.append((0.0, 1.0))
            continue
        bottom, top = float(np.nanmin(low[together])), float(np.nanmax(high[together]))
        bottom = min(bottom, 0.0) if lane.group in ("skin", "rate") else bottom
        missing = max(0.0, LEAST_RANGE.get(lane.unit, 1.0) - (top - bottom))
        bounds.append((bottom - missing / 2 if bottom else 0.0, top + missing / 2))
    return [_shown_bounds(lane, *both) for lane, both in zip(lanes, bounds)]


def _shown_bounds(lane: Lane, low: float, high: float) -> tuple[float, float]:
    return (math.log10(1 + low), math.log10(1 + high)) if lane.group in LOG_GROUPS else (low, high)


def _range_name(lane: Lane) -> tuple[str, str]:
    """Lanes of the same name here have one range: a joint's angle with its target, and those of a shared group."""
    if lane.group in SHARED_GROUPS:
        return lane.group, ""
    return lane.group.replace("target", "position"), lane.name


def level_bytes(lanes: Sequence[Lane], ranges: Sequence[tuple[float, float]], level: Level) -> bytes:
    """One level as bytes: for every lane its n low values, then its n high values."""
    return b"".join(
        quantised(values[:, k], lane, bounds).tobytes()
        for k, (lane, bounds) in enumerate(zip(lanes, ranges))
        for values in (level.low, level.high)
    )


def quantised(values: Array, lane: Lane, bounds: tuple[float, float]) -> Array:
    """Values (n,) as (n,) uint8: 0 is none, 1 to 255 from the lower to the upper bound."""
    shown = np.log10(1 + np.maximum(values, 0)) if lane.group in LOG_GROUPS else values
    share = (shown - bounds[0]) / (bounds[1] - bounds[0])
    steps = 1 + np.rint(STEPS * np.clip(share, 0, 1))
    return np.where(np.isfinite(values), steps, 0).astype(np.uint8)


def _lane(lane: Lane, low: float, high: float) -> dict[str, Any]:
    logarithmic = lane.group in LOG_GROUPS
    return {"group": lane.group, "name": lane.name, "unit": lane.unit, "low": low, "high": high, "log": logarithmic}


def _label(labelset: str, label: Label, session_start_ns: int) -> dict[str, Any]:
    span = [(t - session_start_ns) / NS_PER_S for t in (label.t_start_mono_ns, label.t_end_mono_ns)]
    facts = {"state": label.state, "source": label.source, **label.attributes}
    return {"set": labelset, "label": label.label, "start": span[0], "end": span[1], "facts": _words(facts)}


def _event(event: EventRow, session_start_ns: int) -> list[Any]:
    t_ns, name, facts = event
    return [(t_ns - session_start_ns) / NS_PER_S, name, _words(facts)]


def _words(facts: Mapping[str, Any]) -> dict[str, str]:
    """Values from outside as text: JSON for a page knows no NaN."""
    return {name: str(value) for name, value in facts.items()}


def _plain_colours() -> dict[str, str]:
    named = {"text": TEXT, "faint": FAINT, "grid": GRID, "panel": PANEL, "background": BACKGROUND}
    return named | {"torque": AMBER, "hand": GREEN, "rate": BLUE}


def _document(title: str, facts: Mapping[str, str], content: dict[str, Any], data: bytes) -> str:
    folder = resources.files("skin_teleop.cli.report")
    style, script = (folder.joinpath(f"inspect_page.{kind}").read_text() for kind in ("css", "js"))
    for name, colour in _plain_colours().items():
        style = style.replace(f"var(--{name})", colour)
    cells = "".join(f"<span><b>{html.escape(v)}</b> {html.escape(k)}</span>" for k, v in facts.items())
    plain = json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{style}</style></head>
<body><header><h1>{html.escape(title)}</h1><p>{cells}</p>
<nav><button id="whole">whole</button><button id="in">+</button><button id="out">−</button>
<i>Ctrl and wheel, + and − zoom · drag, ← and → pan · 0 shows the whole · n and p go to the next and the last label</i>
</nav></header>
<main><canvas id="lanes"></canvas><canvas id="cursor"></canvas></main><footer id="readout"></footer>
<script type="application/json" id="content">{plain}</script>
<script type="application/octet-stream" id="data">{base64.b64encode(data).decode()}</script>
<script>{script}</script></body></html>
"""
