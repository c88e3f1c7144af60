from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_tools.labels import Label, LabelStore
from dataset_tools.reader import Session
from dataset_tools.statistics import session_statistics
from skin_teleop.cli.latency import percentiles, pose_latencies_ms
from skin_teleop.cli.report.demo_report import write_demo_report
from skin_teleop.cli.report.hand_picture import shear_on_paper, taxel_places_mm
from skin_teleop.cli.report.scene import moments
from skin_teleop.cli.witness import unwitnessed_actions
from skin_teleop.clock import NS_PER_S
from skin_teleop.skin_layout import skin_layout


def label(name: str, start_s: float, end_s: float, source: str = "live") -> Label:
    return Label(
        id=name, revision=1, label=name, t_start_mono_ns=NS_PER_S + round(start_s * NS_PER_S),
        t_end_mono_ns=NS_PER_S + round(end_s * NS_PER_S), state="labelled", source=source, annotator="test",
        attributes={}, created_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


TRUE_LABELS = [
    label("rest", 0.1, 0.9),
    label("squeeze", 1, 2),
    label("rotation", 2, 3),
    label("pick-and-drop", 3, 3.99),
]


def test_actions_that_happened_are_witnessed(session: Session) -> None:
    assert unwitnessed_actions(session, TRUE_LABELS) == []


@pytest.mark.parametrize(
    ("name", "span", "doubt"),
    [
        ("squeeze", (0.1, 0.9), "squeeze: the skin felt 0.00 N at most, 2.0 N are needed"),
        ("rotation", (1, 2), "rotation: the object turned by 0 degrees, 15 are needed"),
        ("pick-and-drop", (1, 2), "pick-and-drop: the object rose 0 mm and fell 0 mm, 30 mm are needed"),
        ("pick-and-drop", (3, 3.5), "pick-and-drop: the object rose 60 mm and fell 0 mm, 30 mm are needed"),
    ],
)
def test_actions_that_did_not_happen_are_doubted(
    session: Session, name: str, span: tuple[float, float], doubt: str
) -> None:
    assert unwitnessed_actions(session, [label(name, *span)]) == [doubt]


def test_latency_comes_from_the_stamps(session: Session) -> None:
    received = percentiles(pose_latencies_ms(session, "allegro"))
    assert received["pose_to_target"] == pytest.approx({"p50": 2.0, "p99": 2.0})
    assert received["pose_to_can"] == pytest.approx({"p50": 5.0, "p99": 5.0})
    sent = percentiles(pose_latencies_ms(session, "allegro", since="sent"))
    assert sent["pose_to_can"] == pytest.approx({"p50": 6.0, "p99": 6.0})


def test_the_moments_are_the_height_of_each_action(session: Session) -> None:
    seen = dict(moments(session, TRUE_LABELS))
    assert list(seen) == ["at rest", "squeeze", "rotation", "picked up", "dropped"]
    assert seen["rotation"] == pytest.approx(299, abs=1)
    assert 350 < seen["dropped"] < 400
    assert seen["picked up"] == seen["dropped"] - 60


def test_no_two_taxels_are_drawn_in_the_same_place() -> None:
    places = taxel_places_mm(skin_layout())
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(368) * 1e9
    assert apart.min() > 1.0


def test_shear_is_drawn_along_the_hand() -> None:
    layout = skin_layout()
    pad = layout.pad("link_2")
    delta = np.zeros((368, 3))
    delta[pad.taxels] = [0, 100, 0]  # along the pad's y axis, which is the link's y, drawn to the right
    np.testing.assert_allclose(shear_on_paper(layout, delta)[pad.taxels], [[100, 0]] * 16, atol=1e-9)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    rows = [{"step": k, "loss": 12 - k / 10, "summary_loss": 6, "masked_token_loss": 5, "koleo": 1} for k in range(20)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    signal = np.random.default_rng(0).normal(0, 300, (368, 3))
    np.savez(tmp_path / "reconstruction.npz", true=signal, reconstructed=signal / 2, t_mono_ns=0)
    return tmp_path


def test_the_report_shows_its_pictures_without_a_network(session: Session, run_folder: Path) -> None:
    LabelStore(session)
    scores = {"metric": "force_r2", "value": 0.5, "seeds": 1, "force_r2": 0.5, "contact_balanced_accuracy": 0.9}
    summary = {
        "streams": {name: asdict(figures) for name, figures in session_statistics(session).items()},
        "latency_ms": percentiles(pose_latencies_ms(session, "allegro")),
        "recorder": {"rows_lost": 0},
        "realtime_factor": session.realtime_factor,
        "pretrain": {"steps": 20},
        "probe": {"encoder": scores, "random": scores | {"value": 0.6, "force_r2": 0.6}, "raw": scores},
    }
    page = run_folder / "report.html"
    write_demo_report(page, session, TRUE_LABELS, summary, run_folder)
    text = page.read_text()
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)]
    assert len(pictures) == 9
    for picture in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), float)
        assert pixels.std() > 5
    assert "http" not in text
    assert "Best on force in this run: random" in text
    assert "simulated" in text
