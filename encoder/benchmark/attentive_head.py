"""The attentive head, on frozen tokens or together with its encoder: a learnt query per task block reads all tokens.

After Sparsh-skin's downstream head (one learnt query, cross-attention, LayerNorm, linear), trained on all tasks of the
benchmark at once: squared error of standardised targets, classes as columns, as for the linear head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from encoder.benchmark.budgets import Labelled
from encoder.benchmark.linear_head import decided
from encoder.benchmark.tasks import Task
from encoder.model import SparshSkinEncoder
from encoder.windows import TactileWindows
from skin_teleop.transforms import Array

HEAD_RATE, ENCODER_RATE = 1e-3, 3e-4
WEIGHT_DECAY = 0.05
BATCH = 16
LOOKS = 4
"""How often the labelled rows kept for choosing are asked; the best of these moments is what answers."""
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class HeadTraining:
    """How a head is trained."""

    steps: int = 120
    queries: int = 8
    train_encoder: bool = False
    seed: int = 0


class AttentivePooler(nn.Module):
    """(B, N, d) tokens to (B, K) answers."""

    def __init__(self, width: int, outputs: int, queries: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.02)
        self.token_norm = nn.LayerNorm(width)
        self.attend = nn.MultiheadAttention(width, 3, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.answer = nn.Linear(queries * width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool with each query, then one linear map of what all queries found."""
        tokens = self.token_norm(tokens)
        asked = self.queries.expand(len(tokens), -1, -1)
        found, _ = self.attend(asked, tokens, tokens, need_weights=False)
        answers: Tensor = self.answer(self.norm(found).flatten(1))
        return answers


def attentive_answers(
    encoder: SparshSkinEncoder,
    windows: TactileWindows,
    rows: Array,
    tasks: list[Task],
    labelled: Labelled,
    judge: Array,
    training: HeadTraining,
) -> list[Array]:
    """Answers (m, k) of each task for the rows `judge` of `rows` (n,), after training on the labelled ones.

    The encoder is left untouched unless `train_encoder` is set; then it is trained in place.
    """
    targets = np.concatenate([task.values for task in tasks], 1)
    mean, scale = targets[labelled.fit].mean(0), targets[labelled.fit].std(0) + _TINY
    wanted = torch.from_numpy((targets - mean) / scale).float()
    reader = _Reader(encoder, windows, rows, frozen=not training.train_encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        head = AttentivePooler(encoder.size.width, targets.shape[1], training.queries)
        _fit(head, reader, wanted, labelled, training)
    edges = np.cumsum([task.values.shape[1] for task in tasks])[:-1]
    told = [np.split(_ask(head, reader, part) * scale + mean, edges, axis=1) for part in (labelled.fit, judge)]
    return [
        decided(task, fitted, task.values[labelled.fit], judged)
        for task, fitted, judged in zip(tasks, *told, strict=True)
    ]


class _Reader:
    """Tokens of rows: read once where the encoder is frozen, computed again each time where it learns."""

    def __init__(self, encoder: SparshSkinEncoder, windows: TactileWindows, rows: Array, *, frozen: bool) -> None:
        self.encoder, self.windows, self.rows, self.frozen = encoder, windows, rows, frozen
        encoder.requires_grad_(not frozen).eval()
        self._kept: dict[int, Tensor] = {}

    def tokens(self, picks: Array) -> Tensor:
        """(b, N, d) patch tokens."""
        if not self.frozen:
            return self._compute(picks)
        new = [int(pick) for pick in picks if int(pick) not in self._kept]
        if new:
            with torch.no_grad():
                self._kept |= dict(zip(new, self._compute(np.array(new)).half(), strict=True))
        return torch.stack([self._kept[int(pick)] for pick in picks]).float()

    def _compute(self, picks: Array) -> Tensor:
        batch = self.windows.gather(self.rows[picks])
        tokens: Tensor = self.encoder(batch.flux, batch.position_m, batch.valid).patches
        return tokens


def _fit(head: AttentivePooler, reader: _Reader, wanted: Tensor, labelled: Labelled, training: HeadTraining) -> None:
    """Train, look now and then at the rows kept for choosing, and go back to the best look."""
    groups = [{"params": list(head.parameters()), "lr": HEAD_RATE}]
    if training.train_encoder:
        groups.append({"params": list(reader.encoder.parameters()), "lr": ENCODER_RATE})
    optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    rng = np.random.default_rng(training.seed)
    learners: list[nn.Module] = [head, reader.encoder] if training.train_encoder else [head]
    best, kept = np.inf, [_copy(learner) for learner in learners]
    for step in range(1, training.steps + 1):
        picks = rng.choice(labelled.fit, min(BATCH, len(labelled.fit)), replace=False)
        loss = (head(reader.tokens(picks)) - wanted[picks]).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % max(1, training.steps // LOOKS) == 0:
            error = float(np.square(_ask(head, reader, labelled.choose) - wanted[labelled.choose].numpy()).mean())
            if error < best:
                best, kept = error, [_copy(learner) for learner in learners]
    for learner, state in zip(learners, kept, strict=True):
        learner.load_state_dict(state)


def _copy(learner: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in learner.state_dict().items()}


@torch.no_grad()
def _ask(head: AttentivePooler, reader: _Reader, picks: Array) -> Array:
    """(m, K) float64 standardised answers."""
    blocks = [picks[first : first + 4 * BATCH] for first in range(0, len(picks), 4 * BATCH)]
    answers: Array = torch.cat([head(reader.tokens(block)) for block in blocks]).double().numpy()
    return answers
