"""The rows of the benchmark: who answers, from what, and what that costs."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from encoder.benchmark.attentive_head import HeadTraining, attentive_answers
from encoder.benchmark.budgets import Labelled
from encoder.benchmark.feature_sets import centre_of_pressure, joints_rad, last_frame, principal_components
from encoder.benchmark.linear_head import linear_answers
from encoder.benchmark.tasks import Task
from encoder.features import encoder_features, raw_features, untrained
from encoder.model import SparshSkinEncoder
from encoder.ridge import inner_products
from encoder.windows import TactileWindows
from skin_teleop.transforms import Array

RANDOM_SEEDS = 3


@dataclass(frozen=True, eq=False)
class Material:
    """The windows that are asked about and what is true of them."""

    windows: TactileWindows
    rows: Array
    """(n,) rows of the windows."""
    train: Array
    """(n,) bool, True where something may be learnt."""
    tasks: list[Task]
    judge: Array
    """Indices into `rows` of the windows that are judged."""


Answers = Callable[[Labelled, int], list[Array]]
"""Labels and a head's seed in, answers of every task for the judged windows out."""
Blocks = Callable[[], list[Array]]
"""Makes features of all windows: blocks (n, d), each of one unit."""


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table; each member is another seed of what lies before the head."""

    name: str
    members: Sequence[Answers]
    core_s: float
    """Core seconds of one member before any label is used: pretraining and features."""


def plain_rows(material: Material) -> list[Row]:
    """Plain readings of the skin, and of the joints, which every encoder sees too (as positions of taxels)."""
    windows, rows = material.windows, material.rows
    makers: dict[str, Blocks] = {
        "raw statistics": lambda: [raw_features(windows, rows)],
        "centre of pressure": lambda: centre_of_pressure(windows, rows),
        "raw PCA": lambda: [principal_components(windows, rows, material.train)],
        "raw frame": lambda: [last_frame(windows, rows)],
        "joints": lambda: [joints_rad(windows, rows)],
        "raw frame and joints": lambda: [last_frame(windows, rows), joints_rad(windows, rows)],
    }
    return [_linear_row(name, [make], 0.0, material) for name, make in makers.items()]


def frozen_row(name: str, encoders: Sequence[SparshSkinEncoder], core_s: float, material: Material) -> Row:
    """Frozen encoders of one kind behind the linear head."""

    makers = [functools.partial(encoder_features, encoder, material.windows, material.rows) for encoder in encoders]
    return _linear_row(name, makers, core_s, material)


def random_encoders(like: SparshSkinEncoder) -> list[SparshSkinEncoder]:
    """Untrained encoders with the architecture and input statistics of another one."""
    return [untrained(like, seed) for seed in range(RANDOM_SEEDS)]


def trained_rows(
    name: str, encoders: Sequence[SparshSkinEncoder], core_s: float, material: Material, steps: int
) -> list[Row]:
    """The attentive head on frozen and on fine-tuned encoders."""
    frozen, tuned = HeadTraining(steps), HeadTraining(steps, train_encoder=True)
    return [
        Row(f"{name}, attentive", [_attentive(encoder, material, frozen) for encoder in encoders], core_s),
        Row(f"{name}, fine-tuned", [_attentive(encoder, material, tuned) for encoder in encoders], core_s),
    ]


def end_to_end_rows(name: str, like: SparshSkinEncoder, material: Material, steps: int) -> list[Row]:
    """The attentive head on an encoder of the same size that starts untrained, frozen and trained along."""
    scratch = untrained(like, 0)
    frozen, tuned = HeadTraining(steps), HeadTraining(steps, train_encoder=True)
    return [
        Row(f"random {name}, attentive", [_attentive(scratch, material, frozen)], 0.0),
        Row(f"end-to-end {name}", [_attentive(scratch, material, tuned)], 0.0),
    ]


def _linear_row(name: str, makers: Sequence[Blocks], core_s: float, material: Material) -> Row:
    began = time.process_time()
    products = [inner_products(make(), material.train) for make in makers]
    each_s = (time.process_time() - began) / len(makers)
    return Row(name, [_linear(of_member, material) for of_member in products], core_s + each_s)


def _linear(products: Array, material: Material) -> Answers:
    return lambda labelled, _seed: linear_answers(products, material.tasks, labelled, material.judge)


def _attentive(encoder: SparshSkinEncoder, material: Material, training: HeadTraining) -> Answers:
    """Every call starts from the encoder as it was."""

    def answer(labelled: Labelled, seed: int) -> list[Array]:
        settings = HeadTraining(training.steps, training.queries, training.train_encoder, seed)
        return attentive_answers(
            copy.deepcopy(encoder),
            material.windows,
            material.rows,
            material.tasks,
            labelled,
            material.judge,
            settings,
        )

    return answer
