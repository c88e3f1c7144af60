"""An encoder beside a running rig: frames in as they come, the embedding of the newest window out. No sockets here."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drivers.uskin.baseline import RESTLESS_COUNTS
from encoder.body import Body
from encoder.checkpoint import load_config, load_encoder
from encoder.joint_track import JointTrack
from encoder.session_data import (
    BRIDGED_TICKS,
    FALLBACK_REST_S,
    RATE_HZ,
    TICK_NS,
    missing_ticks,
    passes_gate,
    rest_baseline,
    usable,
)
from encoder.streaming import Infer, StreamingEncoder, torch_inference
from encoder.windows import WINDOW_FRAMES
from skin_teleop.errors import ConfigError
from skin_teleop.messages import EMBEDDING_SLOTS, N_TAXELS, SkinFrame
from skin_teleop.rig import Rig
from skin_teleop.transforms import Array

REST_FRAMES = round(FALLBACK_REST_S * RATE_HZ)
MOVING_SHARE = 0.02
"""Share of taxels that may move at rest: a broken one must not keep the encoder waiting for ever."""


@dataclass(frozen=True, eq=False)
class LoadedEncoder:
    """How to infer, and what the encoder was trained on."""

    infer: Infer
    geometry: str
    layout: str


def load_live(path: Path) -> LoadedEncoder:
    """A run folder, a file of public weights, or an ONNX file; raises ConfigError where it is none of them."""
    if path.suffix != ".onnx":
        config = load_config(path)
        return _warmed(LoadedEncoder(torch_inference(load_encoder(path)), config.geometry, config.layout))
    from encoder.onnx_export import OnnxEncoder

    if not path.is_file():
        raise ConfigError(f"{path} was asked for", found="no such file", next_step="skin-teleop export-onnx RUN")
    onnx = OnnxEncoder(path)
    if not {"geometry", "layout"} <= set(onnx.facts):
        raise ConfigError(
            f"{path} was asked for",
            found="an ONNX file that does not say its geometry and layout",
            next_step="skin-teleop export-onnx RUN",
        )
    return _warmed(LoadedEncoder(onnx, onnx.facts["geometry"], onnx.facts["layout"]))


def _warmed(encoder: LoadedEncoder) -> LoadedEncoder:
    """Encode nothing once, so that the first frame does not pay for allocations; refuse what no row can hold."""
    still = np.zeros((1, WINDOW_FRAMES, N_TAXELS, 3), np.float32)
    summary, _ = encoder.infer(still, still, np.ones((1, N_TAXELS), bool))
    if summary.shape[-1] > EMBEDDING_SLOTS:
        raise ConfigError(
            "a live encoder was asked for", found=f"a width of {summary.shape[-1]}", allowed=f"up to {EMBEDDING_SLOTS}"
        )
    return encoder


def read_baseline(path: Path, layout: str) -> tuple[Array, Array]:
    """Baseline (368, 3) and known taxels (368,) of a file of `zero-skin`; raises ConfigError for another skin's."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            counts, of_layout = stored["mean_counts"], str(stored["layout"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"baseline {path} was asked for", found=str(error), next_step="skin-teleop zero-skin") from (
            error
        )
    if of_layout != layout:
        raise ConfigError(f"baseline {path} was asked for", found=f"layout {of_layout}", allowed=layout)
    return counts.astype(np.float32), passes_gate(counts)


class RestWatch:
    """Waits for the first 0.8 s in which nothing touches the skin."""

    def __init__(self) -> None:
        self._frames: deque[tuple[Array, Array]] = deque(maxlen=REST_FRAMES)

    def add(self, flux: Array, age_ms: Array) -> tuple[Array, Array] | None:
        """Take raw counts (368, 3) and ages (368,) ms; baseline and known taxels once 80 frames in a row were at rest.

        A skin that is silent as a whole does not rest, else its held values would leave every taxel unknown for ever.
        """
        self._frames.append((flux, usable(flux, age_ms)))
        if len(self._frames) < REST_FRAMES:
            return None
        frames, valid = (np.array(column) for column in zip(*self._frames))  # (80, 368, 3), (80, 368)
        moving = np.ptp(frames, axis=0).max(-1) > RESTLESS_COUNTS  # (368,)
        speaks = valid.any(1).all()
        return rest_baseline(frames, valid) if speaks and moving.mean() <= MOVING_SHARE else None

    def forget(self) -> None:
        """Begin anew after a hole in time."""
        self._frames.clear()


class LiveEncoder:
    """Keeps the window whole and encodes only the newest one: late windows are left out and counted, never queued."""

    def __init__(self, rig: Rig, encoder: LoadedEncoder, baseline: tuple[Array, Array] | None) -> None:
        """Without a baseline the first rest makes one. Raises ConfigError for another skin than the encoder's."""
        if encoder.layout != rig.skin.layout:
            raise ConfigError(
                "an encoder was to read the skin of a rig",
                found=f"an encoder of the layout {encoder.layout}, a skin of {rig.skin.layout}",
                allowed="an encoder of the skin's own layout",
            )
        self._body = Body(rig.hand.name, rig.skin.name, rig.hand.model, rig.hand.finger_joint1_z_m, rig.skin.layout)
        self._encoder = encoder
        self._rest = RestWatch()
        self._stream = None if baseline is None else self._begin(baseline)
        self._last: SkinFrame | None = None
        self.frames = self.skipped = self.holes = 0

    @property
    def waits_for_rest(self) -> bool:
        """True until there is a baseline."""
        return self._stream is None

    def take(self, frames: Sequence[SkinFrame], joints: JointTrack) -> Array | None:
        """Take frames in order, with the joints so far; summary (d,) of the newest window, None where none ends now."""
        windows = sum(self._add(frame, joints) for frame in frames)
        if self._stream is None or not self._stream.full or not windows:
            self.skipped += windows
            return None
        self.skipped += windows - 1
        return self._stream.embed()[0]

    def _add(self, frame: SkinFrame, joints: JointTrack) -> int:
        """Take one frame; how many windows it completes, with those that end at a missing tick before it."""
        if self._last is not None and frame.t_mono <= self._last.t_mono:
            return 0
        ticks = [*self._missing_ticks(frame), (frame.t_mono, frame)]
        self._last = frame
        self.frames += 1
        if self._stream is None:
            baseline = self._rest.add(frame.flux, frame.age_ms)
            self._stream = None if baseline is None else self._begin(baseline)
            return 0
        return sum(self._stream.add(at.flux, at.age_ms, joints.at(t_ns).position) for t_ns, at in ticks)

    def _missing_ticks(self, frame: SkinFrame) -> list[tuple[int, SkinFrame]]:
        """Times without a frame since the last one, each with the nearest frame, as on the grid of a recording.

        Where too many are missing there is a hole, and no window reaches over it.
        """
        if self._last is None:
            return []
        last, first_ns = self._last, self._last.t_mono
        missing = int(missing_ticks(frame.t_mono - first_ns))
        if missing > BRIDGED_TICKS:
            self.holes += 1
            self._rest.forget()
            if self._stream is not None:
                self._stream.forget()
            return []
        times_ns = [first_ns + k * TICK_NS for k in range(1, missing + 1)]
        return [(t_ns, last if t_ns - first_ns <= frame.t_mono - t_ns else frame) for t_ns in times_ns]

    def _begin(self, baseline: tuple[Array, Array]) -> StreamingEncoder:
        return StreamingEncoder(self._encoder.infer, self._body, self._encoder.geometry, *baseline)
