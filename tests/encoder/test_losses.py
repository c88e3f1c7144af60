from __future__ import annotations

import math

import pytest
import torch

from encoder.objectives.losses import (
    cross_entropy,
    koleo_loss,
    masked_indices,
    masked_token_loss,
    summary_loss,
    teacher_assignment,
)


def test_cross_entropy_of_equal_logits_is_ln_k():
    teacher = torch.tensor([[0.7, 0.1, 0.1, 0.1]])
    assert cross_entropy(torch.zeros(1, 4), teacher).item() == pytest.approx(math.log(4))


def test_teacher_is_centred_and_sharpened():
    sharp = teacher_assignment(torch.tensor([1.0, 0.9]), torch.tensor([0.0, 0.0]), 0.04)
    assert sharp[0].item() == pytest.approx(1 / (1 + math.exp(-0.1 / 0.04)), abs=1e-6)
    even = teacher_assignment(torch.tensor([1.0, 0.9]), torch.tensor([1.0, 0.9]), 0.04)
    assert even.tolist() == pytest.approx([0.5, 0.5])


def test_a_global_crop_is_never_compared_with_itself():
    """Student crop k equals teacher crop k and differs from the other: the loss must be the large one."""
    same = torch.tensor([[[10.0, 0.0]], [[0.0, 10.0]]])
    teacher = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    none = torch.empty(0, 1, 2)
    assert summary_loss(same, none, teacher).item() == pytest.approx(100, abs=0.1)
    assert summary_loss(same.flip(0), none, teacher).item() == pytest.approx(0, abs=0.1)


def test_every_pair_of_views_weighs_the_same():
    teacher = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    right, wrong = torch.tensor([[[5.0, 0.0]]]), torch.tensor([[[0.0, 5.0]]])
    loss = summary_loss(right.repeat(2, 1, 1), torch.cat([right, wrong, wrong]), teacher)
    assert loss.item() == pytest.approx(50 * 4 / 8, abs=0.1)  # two wrong local crops, two teachers, of 2 + 6 pairs


def test_masked_tokens_are_picked_by_linear_index():
    """The release flattened the row and column numbers of nonzero(): for this mask that reads tokens 0, 1, 1, 0."""
    masked = torch.tensor([[[False, True, False], [True, False, False]]])
    tokens = torch.arange(6.0).view(1, 2, 3, 1)
    assert tokens.flatten(0, 2)[masked_indices(masked)].flatten().tolist() == [1.0, 3.0]


def test_masked_index_covers_exactly_the_masked_positions():
    masked = torch.rand(2, 8, 50) < 0.3
    index = masked_indices(masked)
    assert len(index) == masked.sum()
    assert masked.flatten()[index].all()


def test_masked_token_loss_weighs_crops_equally():
    masked = torch.tensor([[[True, True, True, False]], [[True, False, False, False]]])
    teacher = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    logits = torch.tensor([[5.0, 0.0], [5.0, 0.0], [5.0, 0.0], [0.0, 5.0]])  # the only token of crop 2 is wrong
    assert masked_token_loss(logits, teacher, masked).item() == pytest.approx(25, abs=0.1)


def test_koleo_by_hand():
    square = torch.tensor([[[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0]]])
    assert koleo_loss(square).item() == pytest.approx(-math.log(math.sqrt(2)), abs=1e-5)


def test_koleo_looks_for_neighbours_inside_a_crop():
    """Two equal crops: across crops every distance is 0; the release split along the features instead."""
    crop = torch.tensor([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0]])
    assert koleo_loss(torch.stack([crop, crop])).item() == pytest.approx(-math.log(math.sqrt(2)), abs=1e-5)


def test_koleo_falls_as_summaries_spread():
    close = torch.tensor([[[1.0, 0.01], [1.0, 0.0], [1.0, -0.01]]])
    far = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]])
    assert koleo_loss(far) < koleo_loss(close)
