"""The objective as it is meant to be; each slip of the public release has its test here or beside the losses."""

from __future__ import annotations

import copy

import pytest
import torch

from encoder.objectives.crops import Views, draw_views
from encoder.objectives.sparsh import SparshObjective
from encoder.schedules import Schedules


@pytest.fixture
def objective(small_recipe):
    return SparshObjective(small_recipe)


@pytest.fixture
def folded():
    return torch.randn(4, 368, 60)


@pytest.fixture
def views():
    return draw_views(4, 2, torch.Generator().manual_seed(1))


def test_teacher_starts_as_a_copy_of_the_student_head_included(objective):
    for (name, student), teacher in zip(
        objective.student.named_parameters(), objective.teacher.parameters(), strict=True
    ):
        assert torch.equal(student, teacher), name
        assert not teacher.requires_grad
        assert student.data_ptr() != teacher.data_ptr()
    assert {"head.prototypes", "head.mlp.0.weight"} <= {n for n, _ in objective.student.named_parameters()}


def test_terms_add_up_and_reach_the_whole_student(objective, folded, views):
    losses = objective(folded, views, 0.05)
    expected = losses.summary + losses.masked_tokens + 0.1 * 2 * losses.koleo
    torch.testing.assert_close(losses.total, expected)
    losses.total.backward()
    without = [name for name, p in objective.student.named_parameters() if p.grad is None]
    assert without == []
    assert all(p.grad is None for p in objective.teacher.parameters())


def test_teacher_sees_the_crops_unmasked(objective, folded, views):
    """With all content behind the mask, the student's summary no longer depends on it; the teacher's does."""
    hidden = Views(views.wide, views.narrow, torch.ones_like(views.masked))
    objective.eval()  # no paths are dropped, so that the two passes can be compared
    with torch.no_grad():
        first, second = objective(folded, hidden, 0.05), objective(folded + 1, hidden, 0.05)
    torch.testing.assert_close(first.student.summary, second.student.summary)
    assert not torch.allclose(first.teacher.summary, second.teacher.summary)


def test_judging_changes_nothing(objective, folded, views):
    """Validation must not advance centres or the teacher: only `after_update` does."""
    before = copy.deepcopy(objective.state_dict())
    with torch.no_grad():
        objective(folded, views, 0.05)
    for name, tensor in objective.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_teacher_follows_and_centres_move(objective, folded, small_recipe):
    schedules = Schedules(small_recipe, 100)
    outcome = objective.compute(folded, torch.Generator().manual_seed(1), schedules, 0)
    with torch.no_grad():
        objective.student.head.prototypes += 1.0
    before = objective.teacher.head.prototypes.clone()
    objective.after_update(outcome, schedules, 0)
    torch.testing.assert_close(objective.teacher.head.prototypes, before + 1 - schedules.teacher_momentum(0))
    torch.testing.assert_close(objective.summary_centre, 0.1 * outcome.centres["summary_centre"])
    torch.testing.assert_close(objective.token_centre, 0.1 * outcome.centres["token_centre"])
    assert outcome.centres["summary_centre"].abs().max() > 0


def test_prototypes_rest_at_first(objective, folded, small_recipe):
    schedules = Schedules(small_recipe, 1000)
    for step, rests in ((0, True), (1, True), (2, False)):
        objective.zero_grad(set_to_none=True)
        objective.compute(folded, torch.Generator().manual_seed(1), schedules, step).total.backward()
        assert (objective.student.head.prototypes.grad is None) == rests


def test_teacher_stays_in_evaluation_mode(objective):
    objective.train()
    assert objective.student.training
    assert not objective.teacher.training


def test_token_logits_belong_to_the_masked_tokens(objective, folded, views):
    losses = objective(folded, views, 0.05)
    assert losses.teacher.token_logits.shape == (int(views.masked.sum()), 32)
    with torch.no_grad():
        crop = objective.teacher.encoder.encode(folded, views.wide[0])
        first = objective.teacher.head(crop.patches[0][views.masked[0, 0]])
    torch.testing.assert_close(losses.teacher.token_logits[: len(first)], first, atol=1e-5, rtol=1e-4)


def test_bfloat16_gives_about_the_same_loss(objective, folded, views):
    objective.eval()
    exact = objective(folded, views, 0.05).total
    with torch.autocast("cpu", torch.bfloat16):
        rough = objective(folded, views, 0.05).total
    assert rough.item() == pytest.approx(exact.item(), rel=0.02)
