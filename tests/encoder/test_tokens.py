from __future__ import annotations

import torch

from encoder.model import SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.tokens import PadPatch, TokenTable
from skin_teleop.skin_layout import skin_layout


def test_pad_tokens_hold_every_taxel_once_in_its_pad():
    table = TokenTable("pad")
    assert len(table) == 18
    taxels = table.taxels[table.occupied]
    assert taxels.tolist() == list(range(368))
    for pad in skin_layout().pads:
        assert table.occupied[pad.index].sum() == pad.count
        assert (table.of_taxel[pad.taxels] == pad.index).all()


def test_gather_leaves_taxels_as_they_are_and_leaves_empty_slots_missing():
    values = torch.arange(1.0, 369).view(1, 368, 1).expand(2, -1, 3).contiguous()
    assert TokenTable("taxel").gather(values) is values
    pads = TokenTable("pad").gather(values).view(2, 18, 30, 3)
    assert pads[0, 1, :16, 0].tolist() == list(range(31, 47))
    assert pads[0, 1, 16:].isnan().all()


def test_pad_patch_is_linear():
    patch = PadPatch(60, 24)
    first, second = torch.randn(2, 1, 18, 1800)
    torch.testing.assert_close(patch(first) + patch(second) - patch(torch.zeros_like(first)), patch(first + second))


def test_a_missing_taxel_adds_nothing_to_its_pad_and_is_not_a_zero():
    patch, folded = PadPatch(60, 24), torch.randn(1, 18, 30, 60)
    folded[0, 3, 7] = torch.nan
    other = folded.clone()
    other[0, 3, 7] = 0
    missing, zero = patch(folded.flatten(2)), patch(other.flatten(2))
    without = patch.pad.bias + sum(
        patch.pad.weight[:, 32 * slot : 32 * slot + 32] @ patch.taxel(folded[0, 3, slot])
        for slot in range(30)
        if slot != 7
    )
    torch.testing.assert_close(missing[0, 3], without, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(missing[0, 3], zero[0, 3], atol=1e-4)


def test_flux_of_undoes_the_folding():
    for unit in ("taxel", "pad"):
        encoder = SparshSkinEncoder(EncoderSize(24, 1, 3, unit))
        flux = torch.randn(2, 10, 368, 3)
        seen = encoder.flux_of(encoder.fold(flux, torch.randn(2, 10, 368, 3)))[:, encoder.tokens.occupied]
        torch.testing.assert_close(seen.view(2, 368, 10, 3), flux.transpose(1, 2))


def test_a_pad_token_speaks_of_its_own_pad_before_attention():
    encoder = SparshSkinEncoder(EncoderSize(24, 0, 3, "pad")).eval()
    flux, position = torch.randn(1, 10, 368, 3), torch.randn(1, 10, 368, 3)
    changed = flux.clone()
    changed[:, :, skin_layout().pads[5].taxels] += 1
    with torch.no_grad():
        first, second = encoder(flux, position).patches, encoder(changed, position).patches
    assert first.shape == (1, 18, 24)
    assert (first != second).any(-1)[0].nonzero().flatten().tolist() == [5]
