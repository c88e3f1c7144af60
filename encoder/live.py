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
from encoder.session_data import FALLBACK_REST_S, RATE_HZ, passes_gate
from encoder.streaming import Infer, StreamingEncoder, baseline_of_rest, torch_inference
from encoder.windows import WINDOW_FRAMES
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import ConfigError
from skin_teleop.messages import EMBEDDING_SLOTS, N_TAXELS, SkinFrame
from skin_teleop.rig import Rig
from skin_teleop.transforms import Array

TICK_NS = NS_PER_S // RATE_HZ
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
        self._frames: deque[Array] = deque(maxlen=REST_FRAMES)

    def add(self, flux: Array) -> tuple[Array, Array] | None:
        """Take raw counts (368, 3); baseline and known taxels once 80 frames in a row were at rest."""
        self._frames.append(flux)
        if len(self._frames) < REST_FRAMES:
            return None
        frames = np.array(self._frames)  # (80, 368, 3)
        moving = np.ptp(frames, axis=0).max(-1) > RESTLESS_COUNTS  # (368,)
        return baseline_of_rest(frames) if moving.mean() <= MOVING_SHARE else None

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
        self._last_ns: int | None = None
        self.frames = self.skipped = self.holes = 0

    @property
    def waits_for_rest(self) -> bool:
        """True until there is a baseline."""
        return self._stream is None

    def take(self, frames: Sequence[SkinFrame], joint_rad: Array) -> Array | None:
        """Take frames in order with the newest joints (16,) rad; summary (d,) of the window that the last one ends."""
        full = [self._add(frame, joint_rad) for frame in frames]
        if self._stream is None or not full or not full[-1]:
            return None
        self.skipped += sum(full) - 1
        return self._stream.embed()[0]

    def _add(self, frame: SkinFrame, joint_rad: Array) -> bool:
        if self._last_ns is not None and frame.t_mono <= self._last_ns:
            return False
        self._look_for_hole(frame.t_mono)
        self.frames += 1
        if self._stream is not None:
            return self._stream.add(frame.flux, joint_rad)
        baseline = self._rest.add(frame.flux)
        self._stream = None if baseline is None else self._begin(baseline)
        return False

    def _look_for_hole(self, t_mono: int) -> None:
        """A window never reaches over a missing tick, as in training."""
        if self._last_ns is not None and t_mono - self._last_ns > 1.5 * TICK_NS:
            self.holes += 1
            self._rest.forget()
            if self._stream is not None:
                self._stream.forget()
        self._last_ns = t_mono

    def _begin(self, baseline: tuple[Array, Array]) -> StreamingEncoder:
        return StreamingEncoder(self._encoder.infer, self._body, self._encoder.geometry, *baseline)
