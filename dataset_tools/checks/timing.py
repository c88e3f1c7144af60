"""Are the rows where they belong in time? Order, duplicates, sequence gaps, pauses, rates and clocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dataset_tools.checks.finding import Finding, Severity, counted
from dataset_tools.stream import Stream
from dataset_tools.stream_tally import GAP_PERIODS
from skin_teleop.clock import ABSENT_NS, NS_PER_MS, NS_PER_S
from skin_teleop.messages import Array

RATE_TOLERANCE = 0.1
"""Share by which a stream's mean rate may differ from its nominal rate."""
CLOCK_JUMP_NS = 200 * NS_PER_MS
"""Two clocks of one row may drift apart, but not by so much from one row to the next."""
MAX_CLOCK_RESIDUAL_NS = 100 * NS_PER_MS
"""How far a device's stamps may lie from a straight line through them."""
SHARED = ("Event", "ClockSample")
"""Several producers share these streams, each with its own counter."""
SAMPLED = ("SkinFrame", "SkinHealth", "SkinEmbedding")
"""Rows on the host's tick that hold the device's newest frame: its counter may stand still or skip."""


def check_timing(stream: Stream, realtime_factor: float) -> Iterator[Finding]:
    """Everything that stamps and counters of one stream tell.

    `realtime_factor` is how fast simulated time ran (1 on hardware): rates are judged against it.
    """
    if stream.rows < 2:
        return
    message = str(stream.attributes["message"])
    t_mono, t_wall, t_dev, seq = (stream.read(name) for name in ("t_mono", "t_wall", "t_dev", "seq"))
    if message not in SHARED:
        yield from check_sequence(stream.name, seq, t_mono, sampled=message in SAMPLED)
        yield from check_order(stream.name, t_mono)
    if float(stream.attributes["nominal_hz"]) > 0:
        yield from _check_pauses(stream, t_mono, "error" if message in SAMPLED else "warning")
        yield from _check_rate(stream, t_mono, realtime_factor)
    yield from check_clocks(stream.name, "t_wall", t_mono, t_wall)
    known = t_dev != ABSENT_NS
    if known.sum() > 2 and message not in ("ClockSample", "Truth"):
        yield from check_clocks(stream.name, "t_dev", t_mono[known], t_dev[known])


def check_order(name: str, t_mono: Array) -> Iterator[Finding]:
    """Rows (T,) whose receive stamp is earlier than that of the row before."""
    backwards = np.flatnonzero(np.diff(t_mono) < 0)
    if len(backwards):
        text = f"{counted(len(backwards), 'row')} earlier than the row before, first at row {backwards[0] + 1}"
        yield Finding("error", "order", name, text)


def check_sequence(name: str, seq: Array, t_mono: Array, *, sampled: bool) -> Iterator[Finding]:
    """Rows that came twice, in the wrong order, or not at all, by the producer's counter (T,) uint32.

    Where the counter is that of a sampled device, a step of more than one row is no loss.
    """
    steps = np.diff(seq).view(np.int32).astype(np.int64)  # the counter wraps at 2^32
    _, first_seen = np.unique(np.stack([t_mono, seq.astype(np.int64)], axis=1), axis=0, return_index=True)
    again = np.setdiff1d(np.arange(len(seq)), first_seen)
    if len(again):
        yield Finding("error", "duplicate", name, f"{counted(len(again), 'row')} twice, first at row {again[0]}")
    back = np.flatnonzero(steps < 0)
    restarts = back[seq[back + 1] <= 1]
    swapped = np.setdiff1d(back, restarts)
    if len(swapped):
        text = f"the counter runs backwards {counted(len(swapped), 'time')}, first at row {swapped[0] + 1}"
        yield Finding("error", "swap", name, text)
    if len(restarts):
        yield Finding("note", "restart", name, f"the producer started anew {counted(len(restarts), 'time')}")
    skipped = np.flatnonzero(steps > 1) if not sampled else np.empty(0, np.int64)
    if len(skipped):
        rows = int((steps[skipped] - 1).sum())
        text = f"{counted(rows, 'row')} missing at {counted(len(skipped), 'place')}, first after row {skipped[0]}"
        yield Finding("error", "sequence gap", name, text)


def _check_pauses(stream: Stream, t_mono: Array, severity: Severity) -> Iterator[Finding]:
    """Pauses are an error where a tick must not miss; elsewhere the counter tells whether rows are missing."""
    pauses = np.diff(t_mono)
    long = np.flatnonzero(pauses > GAP_PERIODS * NS_PER_S / float(stream.attributes["nominal_hz"]))
    if len(long):
        longest_ms = pauses.max() / NS_PER_MS
        text = f"{counted(len(long), 'pause')} of more than {GAP_PERIODS} periods, the longest {longest_ms:.0f} ms"
        yield Finding(severity, "gap", stream.name, f"{text}, first after row {long[0]}")


def _check_rate(stream: Stream, t_mono: Array, realtime_factor: float) -> Iterator[Finding]:
    """The rate by the median period, which pauses do not move, against what is nominal."""
    nominal_hz = float(stream.attributes["nominal_hz"])
    measured_hz = NS_PER_S / max(1.0, float(np.median(np.diff(t_mono))))
    slowest, fastest = nominal_hz * min(1.0, realtime_factor), nominal_hz * max(1.0, realtime_factor)
    if len(t_mono) > 10 and not slowest * (1 - RATE_TOLERANCE) <= measured_hz <= fastest * (1 + RATE_TOLERANCE):
        yield Finding("warning", "rate", stream.name, f"{measured_hz:.1f} rows a second, {nominal_hz:.1f} are nominal")


def check_clocks(name: str, clock: str, t_mono: Array, other: Array) -> Iterator[Finding]:
    """Jumps of `t_wall` or `t_dev` (T,) against `t_mono`, and how far they are from a straight line, ns."""
    host, device = (t_mono - t_mono[0]).astype(np.float64), (other - other[0]).astype(np.float64)
    jumps = np.flatnonzero(np.abs(np.diff(device) - np.diff(host)) > CLOCK_JUMP_NS + 0.5 * np.abs(np.diff(host)))
    if len(jumps):
        first = jumps[0]
        by_ms = ((device[first + 1] - device[first]) - (host[first + 1] - host[first])) / NS_PER_MS
        text = f"{counted(len(jumps), 'jump')} of {clock} against t_mono, first at row {first + 1} by {by_ms:+.0f} ms"
        yield Finding("error", "clock jump", name, text)
    elif host[-1] > 0:
        slope, offset = np.polyfit(host, device, 1)
        residual_ms = float(np.abs(device - slope * host - offset).max()) / NS_PER_MS
        if residual_ms > MAX_CLOCK_RESIDUAL_NS / NS_PER_MS:
            text = f"{clock} lies up to {residual_ms:.0f} ms off a straight line against t_mono"
            yield Finding("warning", "clock residual", name, text)
