"""Embeddings while the hand moves: a ring of the last ten frames, one window every 10 ms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from encoder.body import Body
from encoder.model import SparshSkinEncoder
from encoder.session_data import usable
from encoder.windows import WINDOW_FRAMES
from skin_teleop.messages import N_TAXELS
from skin_teleop.transforms import Array

Infer = Callable[[Array, Array, Array], tuple[Array, Array]]
"""Summary (1, d) and patches (1, N, d) from flux and positions (1, 10, 368, 3) and valid (1, 368)."""


def torch_inference(encoder: SparshSkinEncoder) -> Infer:
    """A loaded encoder in the form of an ONNX one, on as many threads as torch has."""
    encoder.eval()

    def infer(flux: Array, position_m: Array, valid: Array) -> tuple[Array, Array]:
        with torch.inference_mode():
            tokens = encoder(*(torch.from_numpy(values) for values in (flux, position_m, valid)))
        return tokens.summary.numpy(), tokens.patches.numpy()

    return infer


class StreamingEncoder:
    """Takes frames of 100 Hz one by one; the same numbers as windows of a recording give."""

    def __init__(self, infer: Infer, body: Body, geometry: str, baseline: Array, known: Array) -> None:
        """`baseline` (368, 3) counts and `known` (368,) bool come from `rest_baseline` or `zero-skin`."""
        self._infer = infer
        self._body = body
        self._geometry = geometry
        self._baseline = baseline.astype(np.float32)
        self._known = known
        self._flux = np.zeros((WINDOW_FRAMES, N_TAXELS, 3), np.float32)
        self._position_m = np.zeros((WINDOW_FRAMES, N_TAXELS, 3), np.float32)
        self._valid = np.zeros((WINDOW_FRAMES, N_TAXELS), bool)
        self._filled = 0

    def push(self, flux: Array, age_ms: Array, joint_rad: Array) -> tuple[Array, Array] | None:
        """Take a frame; summary (d,) and patches (N, d) of the window that it ends, None until the ring is full."""
        return self.embed() if self.add(flux, age_ms, joint_rad) else None

    @property
    def full(self) -> bool:
        """True where there is a window to encode."""
        return self._filled == WINDOW_FRAMES

    def add(self, flux: Array, age_ms: Array, joint_rad: Array) -> bool:
        """Take raw counts (368, 3), ages (368,) ms and joints (16,) rad without encoding them; True where full.

        A taxel that is dead or stale is left out of the next ten windows, as in training.
        """
        for ring in (self._flux, self._position_m, self._valid):
            ring[:-1] = ring[1:]
        self._valid[-1] = usable(flux, age_ms) & self._known
        self._flux[-1] = np.rint(flux - self._baseline) * self._valid[-1, :, None]
        self._position_m[-1] = self._body.taxel_positions_m(joint_rad, self._geometry)
        self._filled = min(self._filled + 1, WINDOW_FRAMES)
        return self.full

    def embed(self) -> tuple[Array, Array]:
        """Summary (d,) and patches (N, d) of the last ten frames."""
        summary, patches = self._infer(self._flux[None], self._position_m[None], np.asarray(self._valid.all(0))[None])
        return summary[0], patches[0]

    def forget(self) -> None:
        """Begin anew after a hole in time; no window ever straddles one."""
        self._filled = 0
