"""`calibrate` on a trace file, and `bench retarget` with exactly the fields that others read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from server.operator_motion.human_hand import HandShape, hand_pose
from skin_teleop.cli.main import main
from skin_teleop.hand import hand_model

FIELDS = {
    "cpu_ms_p50",
    "cpu_ms_p99",
    "tip_error_human_mm",
    "direction_deg",
    "motion_cos",
    "pinch_gap_mm_mean",
    "false_pinch_share",
    "limit_violation_share",
    "penetration_share",
    "penetration_max_mm",
    "repeatability_rad_p95",
    "jump_count",
    "lag_frames",
    "jitter_rad",
}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Fifty frames of an opening and closing hand."""
    closing = (1 - np.cos(np.linspace(0, 2 * np.pi, 50))) / 2
    angles = [(1 - part) * HandShape().angles() + part * HandShape((60,) * 4, (60,) * 4).angles() for part in closing]
    keypoints = np.array([hand_pose(row, np.zeros(3), np.eye(3))[:, :3] for row in angles], np.float32)
    path = tmp_path / "closing.npz"
    np.savez(path, keypoints=keypoints, t=np.arange(50) / 72)
    return path


def test_calibrate_stores_the_operators_scales(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p1.json"
    assert main(["calibrate", str(trace), "--operator", "p1", "--out", str(out)]) == 0
    stored = json.loads(out.read_text())
    assert stored["schema"] == "skin_teleop.calibration/2"
    assert stored["frames"] == 50
    assert all(0.9 < scale < 1.6 for scale in stored["scale"])
    assert "[server]: calibration =" in capsys.readouterr().out


def test_calibrate_reads_the_marks_of_a_guided_calibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = [HandShape((0,) * 4, (0,) * 4, (0,) * 4, thumb_flexion=(0, 0)), HandShape((80,) * 4, (90,) * 4, (60,) * 4)]
    keypoints = np.repeat([hand_pose(s.angles(), np.zeros(3), np.eye(3))[:, :3] for s in shapes], 50, axis=0)
    touch = np.repeat(
        hand_pose(HandShape((45,) * 4, (45,) * 4).angles(), np.zeros(3), np.eye(3))[None, :, :3], 50, axis=0
    )
    touch[:, 4] = touch[:, 14] + [0, -0.021, 0]
    t_s = np.arange(150) / 50
    marks = {"mark_label": ["open", "open", "fist", "fist", "touch_middle", "touch_middle", "sneeze"]}
    marks |= {
        "mark_edge": ["begin", "end", "begin", "end", "begin", "end", "begin"],
        "mark_t": [0, 0.98, 1, 1.98, 2, 2.98, 2.5],
    }
    trace, out = tmp_path / "guided.npz", tmp_path / "p2.json"
    np.savez(trace, keypoints=np.concatenate([keypoints, touch]).astype(np.float32), t=t_s, **marks)
    assert main(["calibrate", str(trace), "--operator", "p2", "--out", str(out)]) == 0
    stored = json.loads(out.read_text())
    assert stored["frames"] == 50
    assert stored["touch_m"] == [None, pytest.approx(0.021, abs=1e-3), None]
    assert stored["quality"] == 1.0
    shown = capsys.readouterr().out
    assert "not seen" in shown and " 21 " in shown


def test_bench_retarget_writes_every_field(trace: Path, tmp_path: Path) -> None:
    pytest.importorskip("dex_retargeting", reason="needs the extra retarget-bench")
    pytest.importorskip("coal", reason="needs the extra retarget-bench")
    out = tmp_path / "figures.json"
    assert main(["bench", "retarget", str(trace), "--frames", "8", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    for solver in ("ours", "dex_vector", "dex_dexpilot"):
        assert set(figures[solver]) >= FIELDS
    for solver in ("dex_vector", "dex_dexpilot"):
        assert {"speedup_p50", "speedup_p99"} <= set(figures[solver])
    assert figures["ours"]["limit_violation_share"] == 0
    assert figures["ours"]["repeatability_rad_p95"] == 0
    assert figures["traces"]["closing"]["frames"] == 8


def test_the_urdf_for_the_yardstick_has_our_numbers() -> None:
    from skin_teleop.cli.dex_retargeting import allegro_urdf

    text = allegro_urdf(hand_model("allegro_v4_right"))
    assert text.count('type="revolute"') == 16
    assert 'xyz="0.0 0.0 0.0267"' in text
    assert 'upper="1.618"' in text
