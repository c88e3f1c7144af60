"""Collapse is provoked in every way that the monitors claim to see."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from encoder.monitor import alarms, monitors, rankme
from encoder.objectives.objective import Outcome
from encoder.prepare import prepare
from encoder.run_folder import read_metrics
from encoder.train import Training, train
from encoder.windows import TactileWindows


@pytest.fixture
def healthy():
    student = torch.randn(2, 16, 24)
    return Outcome(
        total=torch.tensor(1.0),
        terms={},
        student_summary=student,
        student_tokens=torch.randn(2, 16, 10, 24),
        teacher_summary=student.clone(),
        assigned=torch.eye(8).repeat(4, 1).view(2, 16, 8),
    )


def test_rankme_counts_directions():
    assert rankme(torch.eye(8)) == pytest.approx(8, rel=1e-3)
    assert rankme(torch.ones(8, 5)) == pytest.approx(1, rel=1e-3)


def test_features_that_are_not_numbers_have_no_rank_and_no_alarm(healthy):
    healthy.student_summary[0, 3, 5] = torch.nan
    figures = monitors(healthy)
    assert math.isnan(figures["rankme"])
    assert figures["rankme_tokens"] > 15
    assert alarms(figures) == []


def test_healthy_features_raise_no_alarm(healthy):
    figures = monitors(healthy)
    assert alarms(figures) == []
    assert figures["teacher_student_cosine"] == pytest.approx(1)
    assert figures["teacher_entropy"] == pytest.approx(0, abs=1e-5)
    assert figures["prototypes_used"] == pytest.approx(8, rel=1e-3)
    assert 15 < figures["rankme"] <= 24


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"student_summary": torch.ones(2, 16, 24)}, "the summaries have collapsed: all are alike"),
        ({"student_tokens": torch.ones(2, 16, 10, 24)}, "the tokens have collapsed: all are alike"),
        (
            {"student_summary": torch.ones(24) * torch.randn(2, 16, 1)},
            "the summaries have collapsed onto one direction",
        ),
        ({"assigned": torch.eye(8)[:1].expand(2, 16, 8)}, "one prototype answers for every window"),
    ],
)
def test_each_collapse_is_told_in_words(healthy, change, words):
    (alarm,) = alarms(monitors(dataclasses.replace(healthy, **change)))
    assert alarm.startswith(words)


def test_objectives_without_teacher_have_fewer_figures(healthy):
    alone = dataclasses.replace(healthy, teacher_summary=None, assigned=None)
    assert set(monitors(alone)) == {"feature_std", "token_std", "rankme", "rankme_tokens"}


def test_a_run_that_collapses_says_so_once(recording, small_preset, tmp_path, caplog, monkeypatch):
    """The last LayerNorm is broken before the run: every summary is the same."""
    build = Training.__init__

    def broken(self, *arguments):
        build(self, *arguments)
        norm = self.objective.student.encoder.norm
        torch.nn.init.zeros_(norm.weight.requires_grad_(False))
        torch.nn.init.ones_(norm.bias.requires_grad_(False))

    monkeypatch.setattr(Training, "__init__", broken)
    windows = TactileWindows([recording])
    settings = prepare(windows, tmp_path, preset_name=small_preset, objective="mae", steps=6)
    training = train(windows, settings, tmp_path)
    assert [alarm[:28] for alarm in training.alarms] == ["the summaries have collapsed", "the tokens have collapsed: a"]
    rows = [row["step"] for row in read_metrics(tmp_path) if "alarms" in row]
    assert rows == [2], "not in the first fifth, and once only"
    assert caplog.text.count("collapsed") == 2
