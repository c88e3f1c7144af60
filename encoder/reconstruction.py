"""What the frozen tokens still know of the skin: a light decoder is trained beside the encoder, never through it.

The release trains a four-block transformer for the same picture; here an MLP per taxel suffices and costs seconds. It
reads the token of the taxel, or of the taxel's pad, and a learned vector that says which taxel is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.model import SparshSkinEncoder
from encoder.run_folder import write_through
from encoder.windows import HELD_OUT, TRAIN, WINDOW_FRAMES, TactileWindows
from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import N_TAXELS
from skin_teleop.transforms import Array

RECONSTRUCTION_FILE = "reconstruction.npz"
_TRAIN_WINDOWS, _JUDGED_WINDOWS = 192, 64
_STEPS, _TOKENS_A_STEP, _LEARNING_RATE = 250, 1024, 2e-3
_FLUX_VALUES = 3 * WINDOW_FRAMES


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A held-out moment as it was and as it is read back from the tokens; counts above the baseline."""

    true: Array
    """(368, 3) float32"""
    reconstructed: Array
    """(368, 3) float32"""
    t_mono_ns: int
    error_counts: float
    """Root mean square error over the valid taxels of this moment."""
    explained: float
    """Share of the variance that is explained, over all judged held-out windows."""

    def save(self, folder: Path) -> None:
        """Write reconstruction.npz."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        write_through(folder / RECONSTRUCTION_FILE, lambda file: np.savez(file, **columns))


def reconstruct(
    encoder: SparshSkinEncoder, windows: TactileWindows, seed: int = 0, *, decoder: TaxelDecoder | None = None
) -> Reconstruction:
    """Train the decoder, unless given, and show the liveliest judged window of the held-out (else train) part."""
    held_out = windows.rows(HELD_OUT) if len(windows.rows(HELD_OUT)) else windows.rows(TRAIN)
    decoder = decoder or train_decoder(encoder, windows, seed)
    judged = _liveliest(windows, held_out, _JUDGED_WINDOWS)
    tokens, target, valid = _tokens(encoder, windows, judged)
    with torch.no_grad():
        guess = decoder(tokens, torch.arange(N_TAXELS))
    residual, spread = (guess - target)[valid], (target - target.mean((0, 1)))[valid]
    true, reconstructed = (_last_frame_counts(values[0], encoder) for values in (target, guess))
    error = (true - reconstructed)[valid[0].numpy()]
    return Reconstruction(
        true=true,
        reconstructed=reconstructed,
        t_mono_ns=int(windows.last_frame_ns(judged[:1])[0]),
        error_counts=float(np.sqrt((error**2).mean())),
        explained=float(1 - residual.square().sum() / spread.square().sum()),
    )


def moments(windows: TactileWindows, t_mono_ns: int, seconds: float) -> Array:
    """Windows of one recording around a time, ten a second where there are no holes in time."""
    ends = windows.last_frame_ns(np.arange(len(windows)))
    nearest = int(np.argmin(np.abs(ends - t_mono_ns)))
    wanted = t_mono_ns + np.arange(-seconds / 2, seconds / 2, 0.1) * NS_PER_S
    same = np.flatnonzero(windows.recording == windows.recording[nearest])
    chosen: Array = np.unique(same[np.abs(ends[same][:, None] - wanted).argmin(0)])
    return chosen


def _liveliest(windows: TactileWindows, rows: Array, count: int) -> Array:
    """The windows with the most change of flux among evenly spaced ones, liveliest first."""
    candidates = rows[np.linspace(0, len(rows) - 1, min(len(rows), 4 * count)).astype(int)]
    frames = windows.start[candidates] + WINDOW_FRAMES - 1
    change = [
        np.abs(windows.recordings[k].delta[frame].astype(np.int32)).sum()
        for k, frame in zip(windows.recording[candidates], frames, strict=True)
    ]
    chosen: Array = candidates[np.argsort(change, kind="stable")[::-1][:count]]
    return chosen


@torch.no_grad()
def _tokens(encoder: SparshSkinEncoder, windows: TactileWindows, rows: Array) -> tuple[Tensor, Tensor, Tensor]:
    """Frozen tokens (n, 368, d) after an affine-free LayerNorm, normalised flux (n, 368, 30), valid (n, 368)."""
    tokens, targets, valid = [], [], []
    for part in np.array_split(rows, max(1, len(rows) // 32)):
        batch = windows.gather(part)
        patches = encoder(batch.flux, batch.position_m, batch.valid).patches[:, encoder.tokens.of_taxel]
        tokens.append(functional.layer_norm(patches, patches.shape[-1:]))
        normalised = (batch.flux - encoder.flux_mean) / encoder.flux_std  # (B, 10, 368, 3)
        targets.append(normalised.transpose(1, 2).flatten(2))
        valid.append(batch.valid)
    return torch.cat(tokens), torch.cat(targets), torch.cat(valid)


class TaxelDecoder(nn.Module):
    """Normalised flux of a taxel's window from its token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Embedding(N_TAXELS, width)
        self.hidden = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(2 * width, _FLUX_VALUES)
        nn.init.trunc_normal_(self.place.weight, std=0.02)

    def forward(self, tokens: Tensor, taxels: Tensor) -> Tensor:
        """(..., 30) from tokens (..., d) and the taxels (...) int64 that are meant."""
        flux: Tensor = self.leave(functional.gelu(self.hidden(tokens + self.place(taxels))))
        return flux


def train_decoder(encoder: SparshSkinEncoder, windows: TactileWindows, seed: int = 0) -> TaxelDecoder:
    """Train on the liveliest train windows: mean squared error on single valid taxels."""
    tokens, targets, valid = _tokens(encoder, windows, _liveliest(windows, windows.rows(TRAIN), _TRAIN_WINDOWS))
    inputs, outputs, taxels = tokens[valid], targets[valid], valid.nonzero()[:, 1]  # (n, d), (n, 30), (n,)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = TaxelDecoder(inputs.shape[-1])
        optimiser = torch.optim.AdamW(decoder.parameters(), _LEARNING_RATE)
        for _ in range(_STEPS):
            picked = torch.randint(len(inputs), (_TOKENS_A_STEP,))
            optimiser.zero_grad()
            loss = functional.mse_loss(decoder(inputs[picked], taxels[picked]), outputs[picked])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return decoder


def read_back(
    encoder: SparshSkinEncoder, decoder: TaxelDecoder, windows: TactileWindows, rows: Array
) -> tuple[Array, Array]:
    """True and reconstructed counts (n, 368, 3) of the last frame of some windows."""
    tokens, target, _ = _tokens(encoder, windows, rows)
    with torch.no_grad():
        guess = decoder(tokens, torch.arange(N_TAXELS))
    return _last_frame_counts(target, encoder), _last_frame_counts(guess, encoder)


def _last_frame_counts(values: Tensor, encoder: SparshSkinEncoder) -> Array:
    """(..., 368, 3) float32 counts of the last frame from normalised windows (..., 368, 30)."""
    last = values[..., -3:]
    counts: Array = (last * encoder.flux_std + encoder.flux_mean).numpy()
    return counts
