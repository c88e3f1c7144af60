from __future__ import annotations

import numpy as np
import pytest
import torch

from encoder.benchmark.attentive_head import AttentivePooler, HeadTraining, attentive_answers
from encoder.benchmark.budgets import Labelled
from encoder.benchmark.tasks import Task, tasks_of
from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.windows import TactileWindows


@pytest.fixture(scope="module")
def material(recording):
    windows = TactileWindows([recording], split=False)
    rows = np.arange(0, len(windows), 7)
    torch.manual_seed(0)
    encoder = SparshSkinEncoder(EncoderSize(24, 1, 3, "pad"))
    encoder.set_statistics(*(torch.from_numpy(statistic).float() for statistic in windows.flux_statistics()))
    fit, choose, judge = np.split(np.random.default_rng(0).permutation(len(rows)), [60, 85])
    labelled = Labelled(np.concatenate([choose, fit]), np.repeat([0, 1], [len(choose), len(fit)]), 1)
    return windows, rows, encoder, labelled, judge


def test_pooling_does_not_depend_on_the_order_of_tokens():
    head, tokens = AttentivePooler(12, 5, queries=2), torch.randn(3, 7, 12)
    answers = head(tokens)
    assert answers.shape == (3, 5)
    torch.testing.assert_close(answers, head(tokens.flip(1)))


@pytest.mark.parametrize(("train_encoder", "better_than"), [(False, 0.58), (True, 0.62)])
def test_a_head_learns_what_the_tokens_hold(material, train_encoder, better_than):
    windows, rows, encoder, labelled, judge = material
    contact = tasks_of(windows, rows)[1]
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    training = HeadTraining(steps=60, train_encoder=train_encoder)
    (told,) = attentive_answers(encoder, windows, rows, [contact], labelled, judge, training)
    assert told.shape == (len(judge), 18)
    right = (told > 0.5) == (contact.values[judge] > 0.5)
    assert right.mean() > better_than
    changed = any(not torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    assert changed == train_encoder
    encoder.load_state_dict(before)


def test_the_same_seed_gives_the_same_answers(material):
    windows, rows, encoder, labelled, judge = material
    task = tasks_of(windows, rows)[0]
    first, again, other = (
        attentive_answers(encoder, windows, rows, [task], labelled, judge, HeadTraining(4, seed=seed))[0]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_of_judged_windows_are_never_used(material):
    windows, rows, encoder, labelled, judge = material
    values = tasks_of(windows, rows)[0].values.copy()
    answers = []
    for scramble in (0.0, 1e6):
        values[judge] += scramble
        task = Task("force", "amount", values.copy())
        answers.append(attentive_answers(encoder, windows, rows, [task], labelled, judge, HeadTraining(4))[0])
    np.testing.assert_array_equal(*answers)
