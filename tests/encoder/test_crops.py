from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.objectives.crops import draw_masks, draw_views


def views(seed, batch=5, local_crops=3):
    return draw_views(batch, local_crops, torch.Generator().manual_seed(seed))


@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_crops_are_contiguous_blocks_of_the_stated_sizes(seed):
    drawn = views(seed)
    for taxels, crops, low, high in ((drawn.wide, 2, 147, 368), (drawn.narrow, 3, 36, 147)):
        assert taxels.shape[:2] == (crops, 5)
        assert low <= taxels.shape[2] <= high
        assert (taxels.diff(dim=-1) == 1).all()
        assert taxels.min() >= 0
        assert taxels.max() <= 367


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(2, 368))
def test_masks_are_a_share_of_the_crop(seed, size):
    """The release took the share of all 368 taxels, which hides a small crop completely."""
    masked = draw_masks(torch.Size((2, 6, size)), torch.Generator().manual_seed(seed))
    counts = masked.sum(-1)
    assert (counts >= max(1, int(0.1 * size) - 1)).all()
    assert (counts <= round(0.5 * size) + 1).all()
    assert (counts < size).all()


def test_samples_start_and_hide_at_different_places():
    drawn = views(3, batch=16)
    assert len(drawn.narrow[..., 0].unique()) > 8
    assert not torch.equal(drawn.masked[0, 0], drawn.masked[0, 1])


def test_views_come_from_the_generator_alone():
    first = views(11)
    torch.manual_seed(999)
    again, other = views(11), views(12)
    assert torch.equal(first.wide, again.wide)
    assert torch.equal(first.narrow, again.narrow)
    assert torch.equal(first.masked, again.masked)
    assert first.masked.shape != other.masked.shape or not torch.equal(first.masked, other.masked)
