"""What an overview of a session shows: lanes of numbers, each read from its stream a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dataset_tools.ambient import split_ambient
from dataset_tools.reader import Session
from dataset_tools.rest import skin_rest
from dataset_tools.stream import Stream
from skin_teleop.clock import NS_PER_S
from skin_teleop.hand import FINGERS
from skin_teleop.messages import Array
from skin_teleop.skin_layout import skin_layout

WRIST, THUMB_TIP, INDEX_TIP = 0, 4, 9
"""Places in WebXR joint order (immersive-web/webxr-hand-input)."""
MM_PER_M = 1000
HANDS = ("left", "right")


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the picture."""

    group: str
    """`skin`, `position`, `target`, `torque`, `hand` or `rate`."""
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Source:
    """Lanes that come from the rows of one stream."""

    stream: Stream
    lanes: tuple[Lane, ...]
    values: Callable[[int, int], Array]
    """Rows start..stop to (n, lanes) float32; NaN where there is no value."""


def lane_sources(session: Session) -> Iterator[Source]:
    """The skin's pads, the joints and the operator's hand, as far as the session has them."""
    rig, streams = session.meta["rig"], session.streams
    if stream := streams.get(rig["skin"]["name"]):
        yield _skin_source(stream, rig["skin"]["layout"], session.rest_span_ns)
    if stream := streams.get(rig["hand"]["name"]):
        yield _joint_source(stream)
    if stream := streams.get("hand_pose"):
        yield _hand_source(stream, rig["server"]["driven_hand"])


def _skin_source(stream: Stream, layout_name: str, rest_span_ns: tuple[int, int] | None) -> Source:
    """Of every pad the taxel that changed most from rest, without the ambient field, counts."""
    layout = skin_layout(layout_name)
    baseline, _ = skin_rest(stream, rest_span_ns)

    def values(start: int, stop: int) -> Array:
        touch, _ = split_ambient(stream.read("flux", start, stop) - baseline, layout)  # (n, 368, 3)
        squares = np.einsum("tka,tka->tk", touch, touch)
        strongest = np.stack([squares[:, pad.taxels].max(axis=1) for pad in layout.pads], axis=1)  # (n, 18)
        return np.asarray(np.sqrt(strongest))

    return Source(stream, tuple(Lane("skin", pad.name, "counts") for pad in layout.pads), values)


def _joint_source(stream: Stream) -> Source:
    names = [f"{finger} {k}" for finger in FINGERS for k in range(4)]
    groups = (("position", "°"), ("target", "°"), ("torque", "Nm"))

    def values(start: int, stop: int) -> Array:
        angles = [np.rad2deg(stream.read(field, start, stop)) for field in ("position", "target")]
        return np.concatenate([*angles, stream.read("torque_command", start, stop)], axis=1)

    return Source(stream, tuple(Lane(group, name, unit) for group, unit in groups for name in names), values)


def _hand_source(stream: Stream, driven: str) -> Source:
    """Place of the driven hand's wrist and how far thumb and index are apart; nothing while tracking is lost."""
    side = HANDS.index(driven)

    def values(start: int, stop: int) -> Array:
        position_m = stream.read("pose", start, stop)[:, side, :, :3].astype(np.float32)  # (n, 25, 3)
        position_m[stream.read("valid", start, stop)[:, side] == 0] = np.nan
        opening_mm = MM_PER_M * np.linalg.norm(position_m[:, THUMB_TIP] - position_m[:, INDEX_TIP], axis=1)
        return np.column_stack([position_m[:, WRIST], opening_mm])

    wrist = tuple(Lane("hand", f"{driven} wrist {axis}", "m") for axis in "xyz")
    return Source(stream, (*wrist, Lane("hand", "thumb to index", "mm")), values)


def stream_rate(stream: Stream, start_ns: int, times_ns: Array) -> Array:
    """Rows in the second around each of the times (n,) ns, Hz; seconds are counted from `start_ns`.

    NaN in a last second that the stream's rows do not fill.
    """
    seconds = (stream.t_mono - start_ns) // NS_PER_S
    wanted = (times_ns - start_ns) // NS_PER_S
    length = int(wanted.max(initial=0)) + 1
    counts = np.bincount(seconds[(seconds >= 0) & (seconds < length)], minlength=length).astype(np.float32)
    if times_ns[-1] < start_ns + length * NS_PER_S - NS_PER_S // 10:
        counts[-1] = np.nan
    rates: Array = counts[wanted]
    return rates
