"""Windows of 0.1 s over recordings, gathered lazily, and their split into train, validation and held-out blocks.

The split is by time inside every recording: blocks of at most 1.5 s in the order train, train, validation, held out,
so that an action of 6 s or more is seen on both sides. A window whose frames, or the ten frames before it, reach
into a block of another part is left out. What this split measures is therefore new moments of known recordings, not
new objects or new skins. Those are measured by giving every recording to one part as a whole (encoder.splits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encoder.augmentation import SkinInstance
from encoder.session_data import TactileRecording
from skin_teleop.errors import ConfigError, SessionError
from skin_teleop.skin_layout import GEOMETRIES
from skin_teleop.transforms import Array

WINDOW_FRAMES = 10
"""0.1 s at 100 Hz, as in Sparsh-skin (arXiv 2505.11420)."""
GUARD_FRAMES = WINDOW_FRAMES
LONGEST_BLOCK_FRAMES, SHORTEST_BLOCK_FRAMES = 150, 40
TRAIN, VALIDATION, HELD_OUT = 0, 1, 2
_CYCLE = np.array([TRAIN, TRAIN, VALIDATION, HELD_OUT], np.int8)


@dataclass(frozen=True, eq=False)
class WindowBatch:
    """Windows ready for the encoder."""

    flux: Tensor
    """(B, 10, 368, 3) float32 counts above the baseline, 0 where not valid."""
    position_m: Tensor
    """(B, 10, 368, 3) float32 taxel positions in the palm frame, m."""
    valid: Tensor
    """(B, 368) bool, True where all ten frames of the taxel are valid."""


class TactileWindows:
    """All windows of some recordings; nothing is copied until `gather`."""

    def __init__(
        self,
        recordings: Sequence[TactileRecording],
        *,
        stride: int = 1,
        geometry: str = "vendor",
        split: bool = True,
        parts: Array | None = None,
    ) -> None:
        """List the windows that start every `stride` frames; raises ConfigError or SessionError where none fits.

        Without `split`, windows that reach into two parts are listed as well, with the part of their last frame.
        With `parts` (R,), every recording belongs to one part as a whole and is not cut into blocks.
        """
        if geometry not in GEOMETRIES:
            raise ConfigError("a taxel geometry was asked for", found=geometry, allowed=", ".join(GEOMETRIES))
        self.recordings = tuple(recordings)
        self.layout = _one_layout(self.recordings)
        self.geometry = geometry
        tables = [_starts_and_parts(recording, stride, split and parts is None) for recording in self.recordings]
        self.start = np.concatenate([starts for starts, _ in tables])  # (N,)
        self.part = np.concatenate([parts for _, parts in tables])  # (N,)
        self.recording = np.repeat(np.arange(len(tables)), [len(starts) for starts, _ in tables])
        if parts is not None:
            self.part = parts[self.recording]
        if not (self.part == TRAIN).any():
            raise SessionError(
                "windows of 0.1 s were asked for",
                found=f"{sum(len(r.t_mono_ns) for r in recordings)} frames in {len(self.recordings)} sessions",
                allowed=f"at least {SHORTEST_BLOCK_FRAMES} frames in a row",
                next_step="record a longer session",
            )

    def __len__(self) -> int:
        return len(self.start)

    def rows(self, *parts: int) -> Array:
        """Indices of the windows of one or more parts (TRAIN, VALIDATION, HELD_OUT)."""
        return np.flatnonzero(np.isin(self.part, parts))

    def last_frame_ns(self, rows: Array) -> Array:
        """(n,) monotonic time of each window's last frame, ns."""
        return self._at_last_frame(rows, [recording.t_mono_ns for recording in self.recordings])

    def pad_force_n(self, rows: Array) -> Array:
        """(n, 18) true force on each pad at each window's last frame, N; every recording must hold truth."""
        forces = [recording.pad_force_n for recording in self.recordings]
        return self._at_last_frame(rows, [force for force in forces if force is not None])

    @property
    def have_truth(self) -> bool:
        """True where every recording holds a simulated world's truth."""
        return all(recording.pad_force_n is not None for recording in self.recordings)

    def gather(
        self, rows: Array, instance: SkinInstance | None = None, generator: torch.Generator | None = None
    ) -> WindowBatch:
        """The windows of some rows; forward kinematics of their postures happens here.

        With an `instance` (which then needs a generator), as other skins would have felt them.
        """
        frames = self.start[rows][:, None] + np.arange(WINDOW_FRAMES)  # (B, 10)
        picks = [(self.recordings[k], self.recording[rows] == k) for k in np.unique(self.recording[rows])]
        counts = np.empty((*frames.shape, 368, 3), np.float32)
        inside = np.empty((len(rows), 368), bool)
        positions = np.empty((*frames.shape, 368, 3), np.float32)
        for recording, chosen in picks:
            counts[chosen] = recording.delta[frames[chosen]]
            inside[chosen] = recording.valid[frames[chosen]].all(1)
            positions[chosen] = recording.body.taxel_positions_m(recording.joint_rad[frames[chosen]], self.geometry)
        flux, valid = torch.from_numpy(counts), torch.from_numpy(inside)
        if instance is not None and generator is not None:
            flux, valid = instance.felt(flux, valid, generator)
        return WindowBatch(flux, torch.from_numpy(positions), valid)

    def flux_statistics(self) -> tuple[Array, Array]:
        """Mean and standard deviation (3,) of the valid training frames, counts; one pair an axis as in the paper."""
        total, squares, count = np.zeros(3), np.zeros(3), 0
        for index, recording in enumerate(self.recordings):
            rows = (self.recording == index) & np.isin(self.part, (TRAIN, VALIDATION))
            frames = np.unique(self.start[rows])
            for block in np.array_split(frames, max(1, len(frames) // 4096)):
                values = recording.delta[block][recording.valid[block]].astype(np.float64)  # (n, 3)
                total, squares, count = total + values.sum(0), squares + (values**2).sum(0), count + len(values)
        mean = total / max(count, 1)
        deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        return mean, np.maximum(deviation, 1.0)

    def frames_of(self, rows: Array) -> list[tuple[TactileRecording, int]]:
        """Recording and first frame of every window of some rows."""
        return [(self.recordings[k], int(start)) for k, start in zip(self.recording[rows], self.start[rows])]

    def _at_last_frame(self, rows: Array, columns: Sequence[Array]) -> Array:
        last = self.start[rows] + WINDOW_FRAMES - 1
        return np.stack([columns[k][frame] for k, frame in zip(self.recording[rows], last, strict=True)])


def _one_layout(recordings: Sequence[TactileRecording]) -> str:
    """The layout of the skin that all recordings share; a token stands for one place on one skin."""
    layouts = sorted({recording.body.layout for recording in recordings})
    if len(layouts) != 1:
        raise SessionError(
            "recordings for one encoder were asked for",
            found=f"skin layouts {', '.join(layouts) or 'none (no recordings)'}",
            allowed="recordings of one layout",
            next_step="name only sessions of one layout; skin-teleop sessions DIR lists them",
        )
    return layouts[0]


def part_of_frames(n_frames: int) -> Array:
    """(n_frames,) int8 part of every frame of a recording; blocks shrink so that two cycles fit where possible."""
    block = int(np.clip(n_frames // (2 * len(_CYCLE)), SHORTEST_BLOCK_FRAMES, LONGEST_BLOCK_FRAMES))
    parts: Array = _CYCLE[(np.arange(n_frames) // block) % len(_CYCLE)]
    return parts


def _starts_and_parts(recording: TactileRecording, stride: int, split: bool) -> tuple[Array, Array]:
    """Starts of the windows without holes in time that lie in one part together with their guard frames."""
    n = len(recording.t_mono_ns)
    starts = np.arange(0, n - WINDOW_FRAMES + 1, stride)
    stale = np.concatenate([[0], np.cumsum(~recording.fresh)])
    whole = stale[starts + WINDOW_FRAMES] == stale[starts]
    parts = part_of_frames(n)
    same = parts[np.maximum(starts - GUARD_FRAMES, 0)] == parts[starts + WINDOW_FRAMES - 1]
    starts = starts[whole & (same | (not split))]
    return starts, parts[starts + WINDOW_FRAMES - 1]
