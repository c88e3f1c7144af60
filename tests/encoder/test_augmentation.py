from __future__ import annotations

import numpy as np
import torch

from encoder.augmentation import SkinInstance
from encoder.windows import TactileWindows
from skin_teleop.skin_layout import skin_layout

SAME = SkinInstance(gain_spread=0, offset_counts=0, axis_mix=0, pad_dropout=0)


def window(value=100.0):
    return torch.full((4, 10, 368, 3), float(value)), torch.ones(4, 368, dtype=torch.bool)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_no_spread_changes_nothing():
    flux, valid = window()
    felt, still_valid = SAME.felt(flux, valid, generator())
    torch.testing.assert_close(felt, flux)
    assert still_valid.all()


def test_a_gain_is_the_taxels_own_and_holds_for_all_frames_and_axes():
    felt, _ = SkinInstance(0.2, 0, 0, 0).felt(*window(), generator())
    assert torch.equal(felt[:, :1].expand_as(felt), felt)
    assert torch.equal(felt[..., :1].expand_as(felt), felt)
    gains = (felt[:, 0, :, 0] / 100).log()
    assert 0.18 < gains.std() < 0.22
    assert abs(gains.mean()) < 0.02


def test_an_offset_is_constant_in_time():
    felt, _ = SkinInstance(0, 5, 0, 0).felt(*window(0), generator())
    assert torch.equal(felt[:, 0], felt[:, 9])
    assert 4.7 < felt.std() < 5.3


def test_axes_leak_into_each_other_only():
    flux, valid = window(0)
    flux[..., 2] = 100
    felt, _ = SkinInstance(0, 0, 0.1, 0).felt(flux, valid, generator())
    torch.testing.assert_close(felt[..., 2], flux[..., 2])
    assert 9 < felt[..., 0].std(dim=(0, 2)).mean() < 11


def test_a_pad_drops_out_as_a_whole_and_is_missing_not_silent():
    felt, valid = SkinInstance(0, 0, 0, 0.5).felt(*window(), generator())
    for pad in skin_layout().pads:
        assert (valid[:, pad.taxels].all(1) | ~valid[:, pad.taxels].any(1)).all()
    assert 0.3 < valid.float().mean() < 0.7
    assert (felt[:, 0, :, 0] == 100 * valid).all()


def test_taxels_that_were_missing_stay_missing():
    flux, valid = window()
    valid[:, 7] = False
    felt, valid = SkinInstance().felt(flux, valid, generator())
    assert not valid[:, 7].any()
    assert (felt[:, :, 7] == 0).all()


def test_gather_repeats_itself_by_the_seed(recording):
    windows, rows = TactileWindows([recording]), np.array([3, 90, 200])
    plain = windows.gather(rows)
    first, again, other = (windows.gather(rows, SkinInstance(), generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.flux, again.flux)
    assert torch.equal(first.valid, again.valid)
    assert not torch.equal(first.flux, other.flux)
    assert not torch.equal(first.flux, plain.flux)
    assert torch.equal(first.position_m, plain.position_m)
