"""Each objective's defining property, and that its loss falls on a toy batch that can be learnt by heart."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from encoder.objectives.byol import agreement_loss
from encoder.objectives.choose import build_objective
from encoder.objectives.crops import Views
from encoder.objectives.hiding import hide
from encoder.objectives.jepa import REGION_SHARE, REGIONS, covered
from encoder.objectives.mae import HIDDEN_SHARE, draw_hidden
from encoder.objectives.objective import Objective
from encoder.objectives.pad_graph import grow_regions
from encoder.presets import OBJECTIVES, EncoderSize
from encoder.schedules import Schedules
from encoder.tokens import TokenTable
from skin_teleop.errors import ConfigError

TOKENS = 18


@pytest.fixture
def recipe(small_recipe):
    return dataclasses.replace(small_recipe, size=EncoderSize(24, 2, 3, "pad"), drop_path=0.0, head_bottleneck=16)


@pytest.fixture
def folded():
    torch.manual_seed(3)
    return torch.randn(4, TOKENS, 30 * 60)


def seeded(number: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def compute(objective: Objective, folded, recipe, number=1, steps=100):
    return objective.compute(folded, seeded(number), Schedules(recipe, steps), steps // 2)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_loss_falls_on_a_batch_that_can_be_learnt_by_heart(name, recipe, folded):
    objective = build_objective(name, recipe)
    optimiser = torch.optim.AdamW(objective.student.parameters(), 2e-3)
    before = compute(objective, folded, recipe).total.item()
    for _ in range(40):
        optimiser.zero_grad()
        compute(objective, folded, recipe).total.backward()
        optimiser.step()
    assert compute(objective, folded, recipe).total.item() < 0.9 * before


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradient_reaches_the_whole_student_and_never_the_teacher(name, recipe, folded):
    objective = build_objective(name, recipe)
    compute(objective, folded, recipe).total.backward()
    # byol hides nothing, and mae hides taxels at random, never a whole pad: the encoder's mask token rests in both
    unused = [] if name in ("sparsh", "jepa") else ["encoder.mask_token"]
    assert [n for n, p in objective.student.named_parameters() if p.grad is None or not p.grad.any()] == unused
    assert all(p.grad is None for p in (objective.teacher or torch.nn.Module()).parameters())


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("unit", ["pad", "taxel"])
def test_same_generator_same_outcome_in_stated_shapes(name, unit, recipe):
    recipe = dataclasses.replace(recipe, size=dataclasses.replace(recipe.size, tokens=unit))
    objective = build_objective(name, recipe)
    folded = torch.randn(2, 18, 1800) if unit == "pad" else torch.randn(2, 368, 60)
    first, second, other = (compute(objective, folded, recipe, number) for number in (1, 1, 2))
    assert torch.equal(first.total, second.total)
    assert not torch.equal(first.total, other.total)
    assert first.student_summary.shape[1:] == (2, 24)
    assert first.student_tokens.shape[1] == 2
    assert not first.student_summary.requires_grad
    assert all(math.isfinite(term.item()) for term in first.terms.values())


@pytest.mark.parametrize("name", ["sparsh", "jepa", "byol"])
def test_teacher_starts_as_the_student_and_follows_it_by_the_momentum(name, recipe, folded):
    objective, schedules = build_objective(name, recipe), Schedules(recipe, 100)
    fast = dict(objective.student.named_parameters())
    assert all(torch.equal(slow, fast[part]) for part, slow in objective.teacher.named_parameters())
    outcome = objective.compute(folded, seeded(), schedules, 0)
    before = objective.teacher.encoder.norm.bias.clone()
    with torch.no_grad():
        objective.student.encoder.norm.bias += 1
    objective.after_update(outcome, schedules, 0)
    moved = objective.teacher.encoder.norm.bias - before
    torch.testing.assert_close(moved, torch.full_like(moved, 1 - schedules.first_momentum))


@pytest.mark.parametrize("unit", ["pad", "taxel"])
def test_hidden_taxels_are_not_seen_and_all_others_are(unit):
    """Change hidden taxels: nothing that is kept changes. Change a visible one: something does."""
    table = TokenTable(unit)
    values = torch.randn(2, 368, 60)
    taxels = draw_hidden(2, 0.6, seeded())
    taxels[:, :30] = True  # the whole first pad
    hidden = hide(table.gather(values), taxels, table)
    changed = torch.where(taxels[..., None], values + 1, values)
    again = hide(table.gather(changed), taxels, table)
    torch.testing.assert_close(hidden.seen, again.seen, equal_nan=True, rtol=0, atol=0)
    seen = hidden.seen.nan_to_num().view(2, -1, 60)[:, table.occupied.flatten()]
    torch.testing.assert_close(seen, values.masked_fill(taxels[..., None], 0))
    most = int((~taxels).sum(1).max()) if unit == "taxel" else 17
    assert hidden.keep.shape == (2, most)
    assert set(hidden.keep[0].tolist()) >= set(table.of_taxel[~taxels[0]].tolist())
    assert set(hidden.asked[0].tolist()) >= set(table.of_taxel[taxels[0]].tolist())
    assert hidden.slots.sum((1, 2)).tolist() == taxels.sum(1).tolist()


def hidden_slots(objective: Objective, name: str) -> torch.Tensor:
    """(4, N, S) what `compute` hides with the first seed."""
    tokens = objective.student.encoder.tokens
    if name == "mae":
        share = HIDDEN_SHARE[objective.student.encoder.size.tokens]
        return tokens.slots(draw_hidden(4, share, seeded()))
    return tokens.slots(covered(grow_regions((REGIONS, 4), REGION_SHARE, seeded())))


@pytest.mark.parametrize("unit", ["pad", "taxel"])
@pytest.mark.parametrize("name", ["mae", "jepa"])
def test_the_student_sees_nothing_of_what_it_must_guess_and_the_teacher_does(name, unit, recipe):
    recipe = dataclasses.replace(recipe, size=dataclasses.replace(recipe.size, tokens=unit))
    objective = build_objective(name, recipe)
    slots = hidden_slots(objective, name)
    folded = objective.student.encoder.tokens.gather(torch.randn(4, 368, 60))
    by_taxel = folded.view(*slots.shape, 60)
    first, hidden_changed, seen_changed = (
        compute(objective, torch.where(changed[..., None], by_taxel + 1, by_taxel).flatten(2), recipe)
        for changed in (torch.zeros_like(slots), slots, ~slots)
    )
    assert torch.equal(first.student_summary, hidden_changed.student_summary)
    assert torch.equal(first.student_tokens, hidden_changed.student_tokens)
    assert not torch.equal(first.student_summary, seen_changed.student_summary)
    assert not torch.equal(first.total, hidden_changed.total)
    if name == "jepa":
        assert not torch.allclose(first.teacher_summary, hidden_changed.teacher_summary)


def test_regions_of_a_window_are_hidden_together():
    regions = torch.tensor([[[0, 1], [4, 5]], [[1, 2], [6, 7]]])  # (R, B, M)
    taxels = covered(regions)
    assert taxels.shape == (2, 368)
    assert taxels[0].nonzero().flatten().tolist() == [0, 1, 2]
    assert taxels[1].nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_mae_hides_a_stated_share_of_the_taxels():
    taxels = draw_hidden(3, HIDDEN_SHARE["taxel"], seeded())
    assert taxels.sum(1).tolist() == [276] * 3
    assert not torch.equal(taxels[0], taxels[1])


def test_mae_ignores_visible_taxels_empty_slots_and_positions(recipe, folded):
    """The loss of guesses of zero is the mean square of the hidden, occupied flux and of nothing else."""
    objective = build_objective("mae", recipe)
    torch.nn.init.zeros_(objective.student.decoder.leave.weight)
    torch.nn.init.zeros_(objective.student.decoder.leave.bias)
    taxels = draw_hidden(4, HIDDEN_SHARE["pad"], seeded())
    flux = folded.view(4, TOKENS, 30, 10, 6)[:, objective.student.encoder.tokens.occupied][..., :3]  # (4, 368, 10, 3)
    expected = flux[taxels].square().mean().item()
    assert compute(objective, folded, recipe).total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_dead_taxels_leave_loss_and_gradient_finite(name, recipe, folded):
    folded = folded.clone()
    folded[:, :2] = torch.nan
    objective = build_objective(name, recipe)
    outcome = compute(objective, folded, recipe)
    outcome.total.backward()
    assert torch.isfinite(outcome.total)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in objective.student.parameters())


def test_mae_guesses_no_dead_taxel(recipe, folded):
    """Guesses of zero cost the mean square of the hidden flux of living taxels: a pad and 3 taxels are dead."""
    objective = build_objective("mae", recipe)
    torch.nn.init.zeros_(objective.student.decoder.leave.weight)
    torch.nn.init.zeros_(objective.student.decoder.leave.bias)
    by_taxel = folded.view(4, TOKENS, 30, 60).clone()
    by_taxel[:, 0], by_taxel[:, 1, :3] = torch.nan, torch.nan
    asked = hidden_slots(objective, "mae") & ~by_taxel[..., 0].isnan()
    flux = by_taxel.view(4, TOKENS, 30, 10, 6)[..., :3]
    loss = compute(objective, by_taxel.flatten(2), recipe).total.item()
    assert loss == pytest.approx(flux[asked].square().mean().item(), rel=1e-5)


def test_jepa_guesses_no_dead_token(recipe, folded):
    """Guesses of zero cost the mean over the living tokens of which something is hidden: two pads are dead."""
    objective = build_objective("jepa", recipe)
    torch.nn.init.zeros_(objective.student.predictor.leave.weight)
    torch.nn.init.zeros_(objective.student.predictor.leave.bias)
    folded = folded.clone()
    folded[:, :2] = torch.nan
    asked = hidden_slots(objective, "jepa").any(-1)  # (4, N)
    assert asked[:, :2].any()
    asked[:, :2] = False
    with torch.no_grad():
        taught = objective.teacher.encoder.encode(folded).patches
    taught = functional.layer_norm(taught, taught.shape[-1:])[asked]
    loss = compute(objective, folded, recipe).total.item()
    assert loss == pytest.approx(functional.smooth_l1_loss(torch.zeros_like(taught), taught).item(), rel=1e-5)


def test_nobody_guesses_a_missing_token():
    wide = torch.stack([torch.arange(0, 6), torch.arange(4, 10)])[:, None]  # (2, 1, 6)
    views = Views(wide, wide, torch.ones(2, 1, 6, dtype=torch.bool))
    missing = torch.zeros(1, 12, dtype=torch.bool)
    missing[0, [1, 5]] = True
    left = views.without(missing).masked
    assert wide[0][left[0]].tolist() == [0, 2, 3, 4]
    assert wide[1][left[1]].tolist() == [4, 6, 7, 8, 9]


def test_byol_counts_directions_only():
    guess = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert agreement_loss(guess, 3 * guess).item() == pytest.approx(0)
    assert agreement_loss(guess, -guess).item() == pytest.approx(4)
    assert agreement_loss(guess, guess.flip(-1)).item() == pytest.approx(2)


def test_objectives_without_a_teacher_export_the_student(recipe):
    assert list(build_objective("mae", recipe).encoders) == ["student"]
    assert list(build_objective("byol", recipe).encoders) == ["student", "teacher"]


def test_unknown_objective_is_refused(recipe):
    with pytest.raises(ConfigError, match="objective 'simclr' was asked for; allowed: sparsh, jepa, mae, byol"):
        build_objective("simclr", recipe)
