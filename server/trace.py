"""Recorded hands (.npz, or .frames as a page saves them): what `operate` plays, every position sent bit for bit."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from server.hand_frames import right_hand_quaternions
from server.protocol import FRAME_BYTES, MAX_POSITION_M, RIGHT, UNIT_TOLERANCE, PoseFrame, parse_pose_frame
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import TraceError, WireError
from skin_teleop.messages import N_HAND_JOINTS
from skin_teleop.transforms import Array

MAX_TRACE_BYTES = 512 * 1024 * 1024
"""Unpacked: about two hours at 90 Hz."""
FRAMES_SUFFIX = ".frames"
"""A page's own record: the pose frames that it sent (`server.protocol`), one behind the other."""
FORMAT = (
    "an .npz with keypoints (T, 25, 3) or pose (T, 25, 7) float of the right hand, m and quaternion xyzw, WebXR joint "
    "order, t (T,) s, optionally mark_t (M,) s, mark_label (M,), mark_edge (M,) begin or end"
)


@dataclass(frozen=True, slots=True)
class TraceMark:
    """An action begins or ends at a time of the trace."""

    t_s: float
    label: str
    edge: Literal["", "begin", "end"]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A recording ready to be sent."""

    pose: Array
    """(T, 25, 7) float32 of the right hand; zeros where it is not valid."""
    valid: Array
    """(T,) True where the row can be sent as a tracked hand."""
    t_s: Array
    """(T,) seconds from the start, increasing."""
    marks: tuple[TraceMark, ...] = ()
    frames: tuple[PoseFrame, ...] = ()
    """What a page sent, row by row, both hands and flags; empty where the trace was not saved by a page."""

    @property
    def duration_s(self) -> float:
        """Seconds from the first row to the last."""
        return float(self.t_s[-1] - self.t_s[0]) if len(self.t_s) else 0.0

    @property
    def invalid_rows(self) -> int:
        """Rows that are sent as a hand out of sight."""
        return int((~self.valid).sum())


def load_trace(path: Path, rate_hz: float | None = None) -> Trace:
    """Read a recording; `rate_hz` replaces its times. Raises TraceError that says what to change."""
    if path.suffix == FRAMES_SUFFIX:
        return _page_trace(path, rate_hz)
    arrays = _arrays(path)
    pose = _pose(path, arrays)
    t_s = _times(path, arrays, len(pose), rate_hz)
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.sqrt(np.square(pose[..., 3:], dtype=float).sum(-1))
        valid = (np.abs(length - 1) <= UNIT_TOLERANCE).all(-1)
        valid &= np.isfinite(pose).all((1, 2)) & (np.abs(pose[..., :3]) <= MAX_POSITION_M).all((1, 2))
    return Trace(np.where(valid[:, None, None], pose, np.float32(0)), valid, t_s, _marks(path, arrays, t_s))


def _page_trace(path: Path, rate_hz: float | None) -> Trace:
    frames = _frames(path)
    captured_ns = np.maximum.accumulate([frame.t_capture_ns for frame in frames])
    t_s = np.arange(len(frames)) / rate_hz if rate_hz else (captured_ns - captured_ns[0]) / NS_PER_S
    valid = np.array([frame.valid(RIGHT) for frame in frames])
    pose = np.stack([frame.pose[RIGHT] for frame in frames])
    return Trace(np.where(valid[:, None, None], pose, np.float32(0)), valid, t_s, frames=frames)


def _frames(path: Path) -> tuple[PoseFrame, ...]:
    if not path.is_file():
        raise TraceError(f"the trace {path} was asked for", found="no such file", allowed="a file that a page saved")
    size = path.stat().st_size
    if size == 0 or size % FRAME_BYTES or size > MAX_TRACE_BYTES:
        allowed = f"whole frames of {FRAME_BYTES} bytes, at most {MAX_TRACE_BYTES}"
        raise TraceError(f"the trace {path} cannot be read", found=f"{size} bytes", allowed=allowed)
    content = path.read_bytes()
    try:
        return tuple(parse_pose_frame(content[at : at + FRAME_BYTES]) for at in range(0, size, FRAME_BYTES))
    except WireError as error:
        raise TraceError(f"the trace {path} holds something that no page sends", found=str(error)) from error


def _arrays(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise TraceError(f"the trace {path} was asked for", found="no such file", allowed=FORMAT)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_TRACE_BYTES:
            raise TraceError(f"the trace {path} is too large", found=f"{size} bytes", allowed=f"{MAX_TRACE_BYTES}")
        wanted = ("keypoints", "pose", "t", "mark_t", "mark_label", "mark_edge")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted if name in archive.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"the trace {path} cannot be read", found=str(error), allowed=FORMAT) from error


def _pose(path: Path, arrays: dict[str, Array]) -> Array:
    """(T, 25, 7) float32, quaternions built where the recording has none."""
    name = "pose" if "pose" in arrays else "keypoints"
    recorded = arrays.get(name)
    width = 7 if name == "pose" else 3
    if recorded is None or recorded.dtype.kind != "f" or recorded.shape[1:] != (N_HAND_JOINTS, width):
        found = "neither" if recorded is None else f"{name} {recorded.shape} {recorded.dtype}"
        raise TraceError(
            f"the trace {path} has no keypoints or pose that can be played",
            found=found,
            allowed=FORMAT,
            next_step="WebXR has 25 joints: from 26 OpenXR joints drop the palm, from 21 MediaPipe points insert the "
            "metacarpals 5, 10, 15 and 20; mirror a left hand (x to -x of its wrist frame)",
        )
    if width == 7:
        return recorded.astype(np.float32)
    finite = np.where(np.isfinite(recorded).all((1, 2), keepdims=True), recorded, 0.0)
    quaternions = right_hand_quaternions(finite)
    return np.concatenate([recorded.astype(np.float32), quaternions.astype(np.float32)], -1)


def _times(path: Path, arrays: dict[str, Array], rows: int, rate_hz: float | None) -> Array:
    if rate_hz is not None:
        return np.arange(rows) / rate_hz
    t = arrays.get("t")
    advice = f"skin-teleop operate {path} --rate 72"
    if t is None or t.shape != (rows,) or t.dtype.kind not in "fiu":
        found = "no t" if t is None else f"t {t.shape} {t.dtype} for {rows} rows"
        raise TraceError(f"the trace {path} does not say when its rows are", found=found, next_step=advice)
    if rows > 1 and (t == t[0]).all():
        raise TraceError(f"the trace {path} is static", found=f"all {rows} times are {t[0]}", next_step=advice)
    if not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        row = int(np.argmax(~(np.diff(t, prepend=-np.inf) > 0)))
        raise TraceError(
            f"the times of the trace {path} do not increase", found=f"t[{row}] = {t[row]}", next_step=advice
        )
    return np.asarray(t, float) - (float(t[0]) if rows else 0.0)


def _marks(path: Path, arrays: dict[str, Array], t_s: Array) -> tuple[TraceMark, ...]:
    names = [name for name in ("mark_t", "mark_label", "mark_edge") if name in arrays]
    if not names:
        return ()
    if len(names) < 3 or len({arrays[name].shape for name in names}) != 1 or arrays["mark_t"].ndim != 1:
        found = ", ".join(f"{name} {arrays[name].shape}" for name in names)
        raise TraceError(f"the marks of the trace {path} do not match", found=found, allowed=FORMAT)
    start_s = float(arrays["t"][0]) if "t" in arrays and len(t_s) else 0.0
    marks = zip(arrays["mark_t"].tolist(), arrays["mark_label"].tolist(), arrays["mark_edge"].tolist(), strict=True)
    read = [TraceMark(float(t) - start_s, str(label), _edge(path, str(edge))) for t, label, edge in marks]
    return tuple(sorted(read, key=lambda mark: mark.t_s))


def _edge(path: Path, edge: str) -> Literal["", "begin", "end"]:
    if edge not in ("", "begin", "end"):
        raise TraceError(f"a mark of the trace {path} has no edge", found=repr(edge), allowed="begin or end")
    return cast(Literal["", "begin", "end"], edge)
