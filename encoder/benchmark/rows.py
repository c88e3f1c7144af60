"""The rows of the benchmark: who answers, from what, and what that costs."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from encoder.benchmark.attentive_head import HeadTraining, attentive_answers
from encoder.benchmark.budgets import Labelled
from encoder.benchmark.feature_sets import centre_of_pressure, principal_components
from encoder.benchmark.linear_head import linear_answers
from encoder.benchmark.tasks import Task
from encoder.features import encoder_features, raw_features, untrained
from encoder.model import SparshSkinEncoder
from encoder.windows import TactileWindows
from skin_teleop.transforms import Array

RANDOM_SEEDS = 3
_STILL = 1e-6
"""A feature with less deviation over all training windows is not stretched."""


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


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table; each member is another seed of what lies before the head."""

    name: str
    members: Sequence[Answers]
    core_s: float
    """Core seconds of one member before any label is used: pretraining and features."""


def plain_rows(material: Material) -> list[Row]:
    """Raw statistics, centre of pressure and principal components of the raw windows."""
    makers = {
        "raw statistics": lambda: raw_features(material.windows, material.rows),
        "centre of pressure": lambda: centre_of_pressure(material.windows, material.rows),
        "raw PCA": lambda: principal_components(material.windows, material.rows, material.train),
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
    """The attentive head on frozen, fine-tuned and (from scratch) untrained encoders."""
    frozen, tuned = HeadTraining(steps), HeadTraining(steps, train_encoder=True)
    scratch = [untrained(encoders[0], 0)]
    return [
        Row(f"{name}, attentive", [_attentive(encoder, material, frozen) for encoder in encoders], core_s),
        Row(f"{name}, fine-tuned", [_attentive(encoder, material, tuned) for encoder in encoders], core_s),
        Row("random, attentive", [_attentive(encoder, material, frozen) for encoder in scratch], 0.0),
        Row("end-to-end", [_attentive(encoder, material, tuned) for encoder in scratch], 0.0),
    ]


def _linear_row(name: str, makers: Sequence[Callable[[], Array]], core_s: float, material: Material) -> Row:
    began = time.process_time()
    features = [make() for make in makers]
    each_s = (time.process_time() - began) / len(makers)
    return Row(name, [_linear(of_member, material) for of_member in features], core_s + each_s)


def _linear(features: Array, material: Material) -> Answers:
    standard = _standardised(features, material.train)
    return lambda labelled, _seed: linear_answers(standard, material.tasks, labelled, material.judge)


def _standardised(features: Array, train: Array) -> Array:
    """Features (n, d) of zero mean and unit deviation over the training windows, for which no label is needed."""
    deviation = features[train].std(0)
    standard: Array = (features - features[train].mean(0)) / np.where(deviation > _STILL, deviation, 1)
    return standard


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
