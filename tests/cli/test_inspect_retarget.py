"""`inspect --retarget`: a page or a picture of a human hand and the robot hand that follows it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from server.operator_motion.gestures import GESTURES, SECONDS, gesture_trace
from server.retargeting.metrics import human_tips_m
from skin_teleop.cli.main import main
from skin_teleop.cli.report.hand_overlay import VIEWS, Moment, overlay_strip
from skin_teleop.hand import hand_model

MODEL = hand_model("allegro_v4_right")


def thumb_distances_mm(name: str) -> np.ndarray:
    tips = human_tips_m(gesture_trace(name).pose[..., :3].astype(float))
    return 1000 * np.linalg.norm(tips[:, :3] - tips[:, 3:], axis=-1)


def test_the_gestures_are_what_they_are_called() -> None:
    assert list(GESTURES) == ["pinch", "fist", "spread", "thumb-sweep"]
    pinch = thumb_distances_mm("pinch")
    assert pinch[0].min() > 60
    assert pinch[-1, 0] < 15 < 50 < pinch[-1, 1:].min()
    fist = human_tips_m(gesture_trace("fist").pose[..., :3].astype(float))
    assert (np.linalg.norm(fist[-1, :3], axis=-1) < 0.7 * np.linalg.norm(fist[0, :3], axis=-1)).all()
    spread = human_tips_m(gesture_trace("spread").pose[..., :3].astype(float))
    assert spread[-1, 0, 1] - spread[-1, 2, 1] > 1.3 * (spread[0, 0, 1] - spread[0, 2, 1])
    sweep = human_tips_m(gesture_trace("thumb-sweep").pose[..., :3].astype(float))
    assert np.ptp(sweep[:, 3, 1]) > 0.06 and np.ptp(sweep[:, :3], axis=0).max() < 1e-6
    assert gesture_trace("fist").duration_s == pytest.approx(SECONDS, abs=0.02)


def test_a_gesture_becomes_a_page_with_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pinch.html"
    assert main(["inspect", "--retarget", "pinch", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    page = out.read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "108 frames in 1.5 s" in page and "; 0 frames held." in page
    assert float(re.search(r"deepest contact ([\d.]+) mm", page)[1]) < 1  # type: ignore[index]
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_picture_alone_is_written_where_out_is_one(tmp_path: Path) -> None:
    out = tmp_path / "fist.png"
    assert main(["inspect", "--retarget", "fist", "--out", str(out)]) == 0
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert out.stat().st_size < 400_000


def test_held_frames_of_a_trace_are_told(tmp_path: Path) -> None:
    keypoints = gesture_trace("spread").pose[..., :3].copy()
    keypoints[40:43] *= [-1, 1, 1]  # a tracker that takes it for the other hand
    trace = tmp_path / "swap.npz"
    pose = gesture_trace("spread").pose.copy()
    pose[..., :3] = keypoints
    np.savez(trace, pose=pose, t=np.arange(len(pose)) / 72)
    assert main(["inspect", "--retarget", str(trace), "--out", str(tmp_path / "swap.html")]) == 0
    page = (tmp_path / "swap.html").read_text()
    assert "3 frames held: the knuckles are those of the other hand" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--retarget", "missing.npz"], "the trace missing.npz was asked for; found: no such file"),
        ([], "inspect SESSION, or --retarget TRACE"),
    ],
)
def test_what_cannot_be_shown_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", *arguments]) != 0
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_existing_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "there.html"
    out.write_text("mine")
    assert main(["inspect", "--retarget", "pinch", "--out", str(out)]) != 0
    assert out.read_text() == "mine"
    assert "it exists already" in capsys.readouterr().err


def test_the_strip_has_one_column_for_each_moment_and_one_row_for_each_view() -> None:
    keypoints = gesture_trace("pinch").pose[0, :, :3].astype(float)
    figure = overlay_strip(MODEL, np.full(4, 1.2), [Moment(f"{k} s", keypoints, np.zeros(16)) for k in range(3)])
    assert len(figure.axes) == 3 * len(VIEWS)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == ["0 s", "1 s", "2 s"]
    assert len(figure.axes[0].patches) == 1 + 16 + 4  # palm, links, fingertips
    assert len(figure.axes[0].lines) == 3 * 4
