from __future__ import annotations

import pytest
import torch

from encoder.model import PAD_KINDS, SparshSkinEncoder
from encoder.presets import SIZES, EncoderSize, preset
from skin_teleop.errors import ConfigError

# Width, depth and channels fix these. Public configurations: tiny 3.64 M, small 21.5 M, base 85.4 M parameters; a
# network of 192 x 12 with 18 pad tokens was counted at 5.5 M.
PARAMETERS = {"demo": 489_408, "pad": 5_529_632, "tiny": 3_643_008, "small": 21_461_760, "base": 85_390_848}


@pytest.fixture
def encoder():
    return SparshSkinEncoder(EncoderSize(24, 2, 3)).eval()


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts(name):
    size = SIZES[name]
    blocks = size.depth * (12 * size.width**2 + 13 * size.width)
    patch = (60 + 1) * size.width
    if size.tokens == "pad":
        patch = (60 + 1) * 32 + (30 * 32 + 1) * size.width
    places = 368 if size.tokens == "taxel" else 18
    norms = 4 * size.width if size.tokens == "taxel" else 2 * size.width
    rest = patch + (places + 3 + 1 + 1) * size.width + norms
    assert blocks + rest == PARAMETERS[name]
    if name in ("demo", "tiny", "pad"):
        assert sum(p.numel() for p in SparshSkinEncoder(size).parameters()) == PARAMETERS[name]


def test_shapes(encoder):
    tokens = encoder(torch.randn(2, 10, 368, 3), torch.randn(2, 10, 368, 3))
    assert tokens.summary.shape == (2, 24)
    assert tokens.patches.shape == (2, 368, 24)


def test_fold_normalises_flux_and_leaves_metres(encoder):
    encoder.set_statistics(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 10.0, 2.0]))
    flux, position = torch.zeros(1, 10, 368, 3), torch.zeros(1, 10, 368, 3)
    flux[0, 4, 77], position[0, 4, 77] = torch.tensor([11.0, -8.0, 5.0]), torch.tensor([0.1, 0.2, 0.3])
    folded = encoder.fold(flux, position)
    assert folded.shape == (1, 368, 60)
    torch.testing.assert_close(folded[0, 77, 24:30], torch.tensor([1.0, -1.0, 1.0, 0.1, 0.2, 0.3]))


def test_gathered_tokens_equal_attention_that_masks_the_others(encoder, monkeypatch):
    """Computing only the visible tokens gives what a dense pass gives when the hidden ones may not be attended to."""
    folded = torch.randn(2, 368, 60)
    keep = torch.stack([torch.arange(30, 110), torch.arange(200, 280)])
    sparse = encoder.encode(folded, keep)
    visible = torch.zeros(2, 369, dtype=torch.bool)
    visible[:, 0] = True
    visible.scatter_(1, keep + 1, True)
    plain = torch.nn.functional.scaled_dot_product_attention

    def masked_attention(query, key, value):
        return plain(query, key, value, attn_mask=visible[:, None, None, :])

    monkeypatch.setattr("encoder.model.functional.scaled_dot_product_attention", masked_attention)
    dense = encoder.encode(folded)
    torch.testing.assert_close(sparse.summary, dense.summary, atol=1e-5, rtol=1e-4)
    dense_kept = dense.patches.gather(1, keep[..., None].expand(-1, -1, 24))
    torch.testing.assert_close(sparse.patches, dense_kept, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("unit", ["taxel", "pad"])
def test_a_dead_taxel_is_missing_whatever_its_numbers_say(unit):
    """What a dead taxel holds never reaches the tokens, and it is not taken for a taxel that feels no change."""
    encoder = SparshSkinEncoder(EncoderSize(24, 2, 3, unit)).eval()
    flux, position = torch.randn(2, 10, 368, 3), torch.randn(2, 10, 368, 3)
    valid = torch.ones(2, 368, dtype=torch.bool)
    valid[0, 140:150] = False
    rubbish, silent = flux.clone(), flux.clone()
    rubbish[0, :, 140:150], silent[0, :, 140:150] = 1e6, 0.0
    with torch.no_grad():
        first, second = (encoder(values, position, valid).patches for values in (flux, rubbish))
        unmarked = encoder(silent, position).patches
    assert first.isfinite().all()
    assert torch.equal(first, second)
    assert not torch.allclose(first[0], unmarked[0], atol=1e-4)
    torch.testing.assert_close(first[1], unmarked[1])


def test_a_token_without_any_valid_taxel_looks_like_a_masked_one(encoder):
    flux, position = torch.randn(1, 10, 368, 3), torch.randn(1, 10, 368, 3)
    valid = torch.arange(368)[None] != 77
    folded = encoder.fold(flux, position)
    masked = encoder.encode(folded, torch.arange(368)[None], ~valid).patches
    torch.testing.assert_close(encoder(flux, position, valid).patches, masked)


def test_masked_tokens_hide_their_content_and_keep_their_place(encoder):
    folded = torch.randn(1, 368, 60)
    masked = torch.zeros(1, 368, dtype=torch.bool)
    masked[0, [5, 6]] = True
    other = folded.clone()
    other[0, [5, 6]] = 100.0
    keep = torch.arange(368)[None]
    first, second = (encoder.encode(values, keep, masked).patches for values in (folded, other))
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first[0, 5], first[0, 6], atol=1e-4)


def test_every_taxel_has_the_kind_of_its_pad(encoder):
    counts = torch.bincount(encoder.kind_of_token, minlength=3).tolist()
    assert dict(zip(PAD_KINDS, counts, strict=True)) == {"4x4": 11 * 16, "4x6": 3 * 24, "curved": 4 * 30}


def test_register_token_starts_near_zero_and_statistics_are_stored(encoder):
    assert encoder.register_token.abs().max() < 1e-5
    assert {"flux_mean", "flux_std"} <= set(encoder.state_dict())


def test_drop_path_acts_in_training_only_and_keeps_the_mean():
    encoder = SparshSkinEncoder(EncoderSize(24, 1, 3), drop_path=0.25)
    block, residual = encoder.blocks[0], torch.ones(4000, 1, 1)
    dropped = block.train()._drop(residual)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert block.eval()._drop(residual) is residual


def test_unknown_preset_is_refused():
    with pytest.raises(
        ConfigError, match="preset 'huge' was asked for; allowed: demo, laptop, paper, tiny, small, base"
    ):
        preset("huge")
