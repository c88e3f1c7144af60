"""Embeddings of a whole session: what the frozen encoder says about every 0.1 s, on the session's 100 Hz grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from encoder.features import encoder_features
from encoder.model import SparshSkinEncoder
from encoder.run_folder import write_through
from encoder.windows import TactileWindows
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One row for each window without a hole in time."""

    t_mono_ns: Array
    """(n,) int64 monotonic time of the window's last frame, ns."""
    pads: Array
    """(n, 18, d) float32 mean token of each pad, in the layout's order."""
    summary: Array
    """(n, d) float32"""

    def save(self, path: Path) -> None:
        """Write an .npz; a reader sees the old or the new file, never half of it."""
        write_through(path, lambda file: np.savez(file, t_mono_ns=self.t_mono_ns, pads=self.pads, summary=self.summary))


def embed(encoder: SparshSkinEncoder, windows: TactileWindows) -> Embeddings:
    """Embed every window; ask for windows without a split to have those that straddle two parts as well."""
    rows = np.arange(len(windows))
    with torch.no_grad():
        _, last = encoder_features(encoder, windows, rows)
        features = last.astype(np.float32)  # (n, 19 d)
    tokens = features.reshape(len(rows), len(skin_layout().pads) + 1, -1)
    return Embeddings(windows.last_frame_ns(rows), tokens[:, :-1], tokens[:, -1])
