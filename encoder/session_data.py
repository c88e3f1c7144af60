"""From a recorded session to what the encoder reads: valid change of flux, joint angles and (simulated) truth.

The order matters: the validity gate comes before anything else, so that a glitch touches neither the baseline nor its
neighbours in time. Frames are picked, never interpolated.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dataset_tools.checks.signals import STALE_MS
from dataset_tools.labels import ACTIONS, Label
from encoder.body import Body, body_of
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.messages import N_TAXELS
from skin_teleop.transforms import Array, rotation_from_quaternion

RATE_HZ = 100
GATE_LOW_COUNTS, GATE_HIGH_COUNTS = 20_000, 60_000
"""Raw counts outside are a bad sensor (Sparsh-skin's limits; its release applies them only after a spline)."""
FALLBACK_REST_S = 0.8
TICK_NS = NS_PER_S // RATE_HZ
BRIDGED_TICKS = 2
"""One or two missing ticks take their neighbours' frames; more in a row are a hole that no window contains."""
_INT16_MAX = 32_767
_BLOCK_FRAMES = 4096

_log = logging.getLogger(__name__)


class StreamLike(Protocol):
    """The part of a stored stream that is read here."""

    @property
    def t_mono(self) -> Array:
        """(T,) int64 host monotonic time, ns."""

    @property
    def fields(self) -> Sequence[str]:
        """Names of all columns."""

    def __getitem__(self, column: str) -> Array:
        """One whole column of the stream."""


class SessionLike(Protocol):
    """The part of a session that is read here."""

    @property
    def path(self) -> Path:
        """The session's folder."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """Content of session.json."""

    @property
    def streams(self) -> Mapping[str, Any]:
        """Streams by name."""

    @property
    def rest_span_ns(self) -> tuple[int, int] | None:
        """Start and end (monotonic ns) of the time without contact, where it was marked."""


@dataclass(frozen=True, eq=False)
class TactileRecording:
    """One session on a 100 Hz grid."""

    name: str
    body: Body
    t_mono_ns: Array
    """(T,) int64 grid times, ns."""
    fresh: Array
    """(T,) bool, False in a hole: where more than BRIDGED_TICKS frames in a row are missing."""
    delta: Array
    """(T, 368, 3) int16 counts above the taxel's baseline; 0 where not valid."""
    valid: Array
    """(T, 368) bool, all three axes inside the gate, the value not stale, and a baseline known."""
    joint_rad: Array
    """(T, 16) float32, the newest joint positions at or before each grid time, rad."""
    pad_force_xyz_n: Array | None
    """(T, 18, 3) float32 true force on each pad in its own frame (z outward), N; only where there is truth."""
    baseline_from: str
    object_in_palm: Array | None = None
    """(T, 3, 4) float32 rotation and position (m) of the object in the palm frame; only where there is truth."""
    action: Array | None = None
    """(T,) int8 index into ACTIONS of the label that stands at each grid time, -1 without one; None: no labels."""
    object_name: str = ""
    simulated: bool = False
    """Whether session.json says that a simulated rig recorded it."""

    @property
    def pad_force_n(self) -> Array | None:
        """(T, 18) float32 size of the true force on each pad, N; only where the session holds truth."""
        return None if self.pad_force_xyz_n is None else np.linalg.norm(self.pad_force_xyz_n, axis=-1)

    def fingerprint(self) -> str:
        """SHA-256 of everything the encoder can see of this recording."""
        digest = hashlib.sha256()
        for array in (self.t_mono_ns, self.delta, self.valid, self.joint_rad):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def passes_gate(flux: Array) -> Array:
    """(..., 368) bool from raw counts (..., 368, 3): True where all axes lie in 20 000 .. 60 000."""
    inside = (flux >= GATE_LOW_COUNTS) & (flux <= GATE_HIGH_COUNTS)
    return np.asarray(inside.all(-1))


def usable(flux: Array, age_ms: Array) -> Array:
    """(..., 368) bool from raw counts (..., 368, 3) and ages (..., 368) ms: True where neither dead nor stale.

    Stale is what `skin-teleop check` calls so: older than 1 s. A taxel arrives every 10 ms, so that is a hundred lost
    values, not jitter; the driver holds the last value, which would pass the gate for ever and look like stillness.
    """
    return np.asarray(passes_gate(flux) & (age_ms <= STALE_MS))


def rest_baseline(flux: Array, valid: Array) -> tuple[Array, Array]:
    """Median (368, 3) float32 of the valid rest frames (R, 368, 3), and (368,) bool where one could be taken."""
    known = np.asarray(valid.any(0))
    counts = np.where(valid[..., None], flux, np.nan).astype(np.float32)
    counts[:, ~known] = 0
    return np.nanmedian(counts, axis=0), known


def load_recording(session: SessionLike, labels: Sequence[Label] = ()) -> TactileRecording:
    """Read one session and its labels; raises SessionError where the skin or the hand is missing or too short."""
    body = body_of(session.meta)
    skin_stream, hand_stream = _stream(session, body.skin), _stream(session, body.hand)
    flux, t_ns = skin_stream["flux"], np.asarray(skin_stream.t_mono)
    valid = usable(flux, skin_stream["age_ms"])
    resting, baseline_from = _rest_frames(session, t_ns)
    baseline, known = rest_baseline(flux[resting], valid[resting])
    grid_ns = np.arange(t_ns[0], t_ns[-1] + 1, TICK_NS)
    rows = _nearest(t_ns, grid_ns)
    valid = (valid & known)[rows]
    return TactileRecording(
        name=Path(session.path).name,
        body=body,
        t_mono_ns=grid_ns,
        fresh=_outside_holes(t_ns, grid_ns),
        delta=_delta(flux, rows, valid, baseline),
        valid=valid,
        joint_rad=hand_stream["position"][newest_at(hand_stream.t_mono, grid_ns)].astype(np.float32),
        pad_force_xyz_n=_pad_force(session, grid_ns),
        baseline_from=baseline_from,
        object_in_palm=_object_in_palm(session, grid_ns),
        action=_action(labels, grid_ns),
        object_name=str(session.meta.get("object") or ""),
        simulated=bool(session.meta.get("simulated")),
    )


def newest_at(t_ns: Array, grid_ns: Array) -> Array:
    """Index of the newest sample at or before each grid time; the first sample where none is earlier."""
    return np.maximum(np.searchsorted(t_ns, grid_ns, side="right") - 1, 0)


def missing_ticks(gap_ns: Array | int) -> Array:
    """How many frames are missing between two that lie so far apart."""
    return np.asarray(np.rint(gap_ns / TICK_NS).astype(int) - 1)


def _outside_holes(t_ns: Array, grid_ns: Array) -> Array:
    """(T,) bool for grid times: beside a frame, or between two with no hole between them."""
    before = newest_at(t_ns, grid_ns)
    after = np.minimum(before + 1, len(t_ns) - 1)
    beside = np.minimum(np.abs(grid_ns - t_ns[before]), np.abs(t_ns[after] - grid_ns)) <= TICK_NS / 2
    return np.asarray(beside | (missing_ticks(t_ns[after] - t_ns[before]) <= BRIDGED_TICKS))


def _nearest(t_ns: Array, grid_ns: Array) -> Array:
    before = newest_at(t_ns, grid_ns)
    after = np.minimum(before + 1, len(t_ns) - 1)
    return np.where(np.abs(t_ns[after] - grid_ns) < np.abs(grid_ns - t_ns[before]), after, before)


def _stream(session: SessionLike, name: str) -> StreamLike:
    stream = session.streams.get(name)
    if stream is None or len(stream.t_mono) < 2:
        raise SessionError(
            f"stream {name!r} of session {Path(session.path).name} was asked for",
            found="no such stream" if stream is None else f"{len(stream.t_mono)} rows",
            allowed="at least 2 rows",
            next_step=f"the session has: {', '.join(sorted(session.streams)) or 'no streams'}",
        )
    found: StreamLike = stream
    return found


def _rest_frames(session: SessionLike, t_ns: Array) -> tuple[Array, str]:
    span = session.rest_span_ns
    if span is not None:
        resting = (t_ns >= span[0]) & (t_ns <= span[1])
        if resting.any():
            return resting, f"rest span of {(span[1] - span[0]) / NS_PER_S:.2f} s"
    _log.warning(
        "session %s has no rest span: its baseline is the first %.1f s", Path(session.path).name, FALLBACK_REST_S
    )
    return t_ns <= t_ns[0] + int(FALLBACK_REST_S * NS_PER_S), f"first {FALLBACK_REST_S} s (no rest span)"


def _delta(flux: Array, rows: Array, valid: Array, baseline: Array) -> Array:
    """Change from the baseline as int16, block by block so that hours fit in memory; clipped at +-32 767 counts."""
    delta = np.empty((len(rows), N_TAXELS, 3), np.int16)
    for first in range(0, len(rows), _BLOCK_FRAMES):
        block = slice(first, first + _BLOCK_FRAMES)
        change = np.rint(flux[rows[block]] - baseline)  # (block, 368, 3)
        delta[block] = np.clip(change * valid[block, :, None], -_INT16_MAX, _INT16_MAX)
    return delta


def _pad_force(session: SessionLike, grid_ns: Array) -> Array | None:
    wrench = _truth(session, "pad_wrench", grid_ns)  # (T, 18, 6)
    return None if wrench is None else np.ascontiguousarray(wrench[..., :3], np.float32)


def _object_in_palm(session: SessionLike, grid_ns: Array) -> Array | None:
    """(T, 3, 4) pose of the object seen from the palm; None where the truth is silent about one of both."""
    thing, palm = (_truth(session, column, grid_ns) for column in ("object_pose", "palm_pose"))
    if thing is None or palm is None or not (thing[:, 3:].any(1) & palm[:, 3:].any(1)).all() or np.isnan(thing).any():
        return None
    to_palm = rotation_from_quaternion(palm[:, 3:]).swapaxes(-1, -2)  # (T, 3, 3)
    turn = to_palm @ rotation_from_quaternion(thing[:, 3:])
    place_m = to_palm @ (thing[:, :3] - palm[:, :3])[..., None]  # (T, 3, 1)
    return np.concatenate([turn, place_m], -1).astype(np.float32)


def _truth(session: SessionLike, column: str, grid_ns: Array) -> Array | None:
    """The newest value of a column of the stream `truth` at each grid time; None where it does not exist."""
    truth = session.streams.get("truth")
    if truth is None or not len(truth.t_mono) or column not in truth.fields:
        return None
    picked: Array = truth[column][newest_at(truth.t_mono, grid_ns)]
    return picked


def _action(labels: Sequence[Label], grid_ns: Array) -> Array | None:
    actions = [label for label in labels if label.label in ACTIONS]
    if not actions:
        return None
    index = np.full(len(grid_ns), -1, np.int8)
    for label in actions:
        index[(grid_ns >= label.t_start_mono_ns) & (grid_ns < label.t_end_mono_ns)] = ACTIONS.index(label.label)
    return index
