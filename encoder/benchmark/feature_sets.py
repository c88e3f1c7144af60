"""The rows of the benchmark that need no training: what a plain reader of the skin's own numbers would compute."""

from __future__ import annotations

import numpy as np
import torch

from encoder.windows import WINDOW_FRAMES, TactileWindows
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

PRINCIPAL_COMPONENTS = 128
_BATCH = 64
_TINY = 1.0
"""Counts; a pad with less change than this has no centre of pressure to speak of."""


def centre_of_pressure(windows: TactileWindows, rows: Array) -> list[Array]:
    """(n, 108) summed change of x, y, z per pad at the window's first and last frame; (n, 108) the centre of |z|, mm.

    The hand-crafted yardstick of tactile control (arXiv 2605.28812 calls it strong). The centre is where the taxels
    that changed sit, weighted by their change, from the middle of the pad in its link's frame.
    """
    figures = np.concatenate([_of_batch(flux) for flux in _batches(windows, rows)])  # (n, 18, 2, 6)
    return [figures[..., :3].reshape(len(rows), -1), figures[..., 3:].reshape(len(rows), -1)]


def last_frame(windows: TactileWindows, rows: Array) -> Array:
    """(n, 1104) change of flux of every taxel at the window's last frame, counts."""
    return np.concatenate([flux[:, -1].reshape(len(flux), -1) for flux in _batches(windows, rows)]).astype(np.float64)


def joints_rad(windows: TactileWindows, rows: Array) -> Array:
    """(n, 16) joint angles at the window's last frame, rad."""
    last = WINDOW_FRAMES - 1
    return np.stack([recording.joint_rad[start + last] for recording, start in windows.frames_of(rows)])


def principal_components(windows: TactileWindows, rows: Array, train: Array) -> Array:
    """(n, at most 128) scores on the main directions of the raw windows (n, 11 040); `train` (n,) bool fits them."""
    raw = np.concatenate([flux.reshape(len(flux), -1) for flux in _batches(windows, rows)])  # float32
    centred = raw - raw[train].mean(0)
    fitted = torch.from_numpy(centred[train])
    values, vectors = torch.linalg.eigh(fitted @ fitted.T)
    count = PRINCIPAL_COMPONENTS
    kept = values.flip(0)[:count] > 1e-6 * values.max()
    turned = vectors.flip(1)[:, :count][:, kept]
    directions = fitted.T @ turned / values.flip(0)[:count][kept].sqrt()  # (11040, 128)
    scores: Array = (torch.from_numpy(centred) @ directions).double().numpy()
    return scores


def _of_batch(flux: Array) -> Array:
    frames = flux[:, [0, -1]].astype(np.float64)  # (B, 2, 368, 3)
    layout = skin_layout()
    figures = []
    for pad in layout.pads:
        change = frames[:, :, pad.taxels]  # (B, 2, k, 3)
        press = np.abs(change[..., 2])
        place_mm = 1000 * layout.positions_m["vendor"][pad.taxels]
        centre_mm = press @ (place_mm - place_mm.mean(0)) / np.maximum(press.sum(-1, keepdims=True), _TINY)
        figures.append(np.concatenate([change.sum(2), centre_mm], -1))  # (B, 2, 6)
    return np.stack(figures, 1)


def _batches(windows: TactileWindows, rows: Array) -> list[Array]:
    return [windows.gather(rows[first : first + _BATCH]).flux.numpy() for first in range(0, len(rows), _BATCH)]
