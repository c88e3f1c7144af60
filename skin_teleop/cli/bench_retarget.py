"""`skin-teleop bench retarget`: ours and dex-retargeting 0.5 on the same frames, one after the other frame by frame.

Our finger scales are fitted on the first 30 % of a trace; everybody is judged on the rest. All play forward and then
backward with filters off; lag and jitter are those with each one's own filter on (ours adapts to speed,
dex-retargeting's is a low-pass of 0.2). Times are CPU time of the calling thread.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from server.retargeting import metrics
from server.retargeting.calibration import calibrate
from server.retargeting.filter import SpeedAdaptiveFilter
from server.retargeting.human_hand import WEBXR_WRIST_TO_OPERATOR, wrist_tips_m
from server.retargeting.retargeter import Retargeter
from server.trace import load_trace
from skin_teleop.cli.dex_retargeting import SCALE, DexRetargeting
from skin_teleop.cli.hand_collisions import HandCollisions
from skin_teleop.errors import ConfigError
from skin_teleop.hand import HandModel, hand_model
from skin_teleop.transforms import Array, rotation_from_quaternion

CALIBRATION_SHARE = 0.3
PINCH_GAP_MM = (0.0, 2.0)
PENETRATION_M = 0.001
DEX_LOW_PASS = 0.2
SOLVERS = ("ours", "dex_vector", "dex_dexpilot")
Frame = Callable[[Array], Array]


def bench_retarget(paths: list[Path], most_frames: int, json_file: Path | None) -> int:
    """Compare on every trace, print one table each and write them with the whole of all traces.

    The JSON has ours, dex_vector and dex_dexpilot for all traces together and `traces` with each one's own.
    """
    if not paths:
        raise ConfigError("bench retarget", found="no data", next_step="skin-teleop bench retarget TRACE.npz")
    all_figures = {}
    for path in paths:
        figures = all_figures[path.stem] = compare(path, most_frames)
        table = Table(f"{path.stem}, {figures['frames']} frames", *SOLVERS, box=None, header_style="dim")
        for field in figures["dex_vector"]:
            cells = (f"{figures[solver][field]:.3f}" if field in figures[solver] else "" for solver in SOLVERS)
            table.add_row(field, *cells)
        Console().print(table)
    if json_file:
        whole = {solver: _overall(list(all_figures.values()), solver) for solver in SOLVERS}
        json_file.write_text(json.dumps(_without_nan(whole | {"traces": all_figures}), indent=2) + "\n")
    return 0


def _overall(traces: list[dict[str, Any]], solver: str) -> dict[str, float]:
    """Counts added, the worst depth, and every other figure as the mean over traces, weighted by frames."""
    whole = {}
    for field in traces[0][solver]:
        values = np.array([trace[solver][field] for trace in traces])
        known = ~np.isnan(values)
        if field in ("pinches", "jump_count"):
            whole[field] = float(values.sum())
        elif field == "penetration_max_mm":
            whole[field] = float(values.max())
        else:
            weights = np.array([trace["frames"] for trace in traces], float) * known
            whole[field] = (
                float((np.where(known, values, 0) * weights).sum() / weights.sum()) if known.any() else math.nan
            )
    return whole


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a figure that a trace cannot give is null."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def compare(path: Path, most_frames: int) -> dict[str, Any]:
    """All figures of one trace, by solver; at most `most_frames` frames are judged."""
    model = hand_model("allegro_v4_right")
    keypoints, t_s = _wrist_frames(path)
    first = int(CALIBRATION_SHARE * len(keypoints))
    scale = np.array(calibrate(keypoints[:first] if first >= 30 else keypoints, model, "bench").scale)
    judged, times_s = keypoints[first : first + most_frames], t_s[first : first + most_frames]
    retargeter = Retargeter(model, scale)
    dex = {mode: DexRetargeting(model, mode) for mode in ("vector", "dexpilot")}
    solvers: dict[str, Frame] = {"ours": lambda frame: retargeter.solve(frame, np.eye(3)).q_rad}
    solvers |= {f"dex_{mode}": _operator_frame(one) for mode, one in dex.items()}
    forward, cpu_ms = play(solvers, judged)
    backward, _ = play(solvers, judged[::-1])
    scales = {"ours": scale, "dex_vector": np.full(4, SCALE), "dex_dexpilot": np.full(4, SCALE)}
    filtered = {name: _low_pass(q) for name, q in forward.items()} | {
        "ours": _adaptive(forward["ours"], judged, times_s)
    }
    figures: dict[str, Any] = {
        name: _figures(model, judged, forward[name], backward[name][::-1], filtered[name], scales[name], cpu_ms[name])
        for name in solvers
    }
    for name in ("dex_vector", "dex_dexpilot"):
        for key in ("p50", "p99"):
            figures[name][f"speedup_{key}"] = figures[name][f"cpu_ms_{key}"] / figures["ours"][f"cpu_ms_{key}"]
    return figures | {"frames": len(judged), "trace": path.stem, "solver": retargeter.solver_name}


def play(solvers: dict[str, Frame], frames: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Joints (T, 16) rad and CPU time (T,) ms of each solver, interleaved frame by frame."""
    joints: dict[str, list[Array]] = {name: [] for name in solvers}
    spent: dict[str, list[float]] = {name: [] for name in solvers}
    for frame in frames:
        for name, solve in solvers.items():
            started = time.thread_time_ns()
            joints[name].append(solve(frame))
            spent[name].append((time.thread_time_ns() - started) / 1e6)
    return {n: np.array(rows) for n, rows in joints.items()}, {n: np.array(rows) for n, rows in spent.items()}


def _wrist_frames(path: Path) -> tuple[Array, Array]:
    """Keypoints (T, 25, 3) m in the wrist frame and times (T,) s of the usable frames."""
    trace = load_trace(path)
    pose = trace.pose[trace.valid].astype(float)
    turned = (pose[..., :3] - pose[:, :1, :3]) @ rotation_from_quaternion(pose[:, 0, 3:])
    return turned, trace.t_s[trace.valid]


def _operator_frame(dex: DexRetargeting) -> Frame:
    return lambda frame: dex.retarget((frame - frame[0]) @ WEBXR_WRIST_TO_OPERATOR.T)


def _low_pass(q_rad: Array) -> Array:
    smooth = q_rad.copy()
    for t in range(1, len(smooth)):
        smooth[t] = smooth[t - 1] + DEX_LOW_PASS * (q_rad[t] - smooth[t - 1])
    return smooth


def _adaptive(q_rad: Array, keypoints_m: Array, t_s: Array) -> Array:
    filter_, upright = SpeedAdaptiveFilter(), np.eye(3)
    rows = zip(q_rad, keypoints_m, t_s)
    return np.array([filter_.apply(q, wrist_tips_m(hand, upright), float(t)) for q, hand, t in rows])


def _figures(
    model: HandModel, keypoints: Array, q: Array, backward: Array, filtered: Array, scale: Array, cpu_ms: Array
) -> dict[str, float]:
    h, r = metrics.human_tips_m(keypoints), metrics.robot_tips_m(model, q)
    gaps = metrics.pinch_gaps_mm(h, r)
    collisions = HandCollisions(model)
    depth_m = np.array([collisions.deepest_m(row) for row in q])
    touching = (gaps >= PINCH_GAP_MM[0]) & (gaps <= PINCH_GAP_MM[1])
    return {
        "cpu_ms_p50": float(np.percentile(cpu_ms, 50)),
        "cpu_ms_p99": float(np.percentile(cpu_ms, 99)),
        "tip_error_human_mm": metrics.tip_error_human_mm(h, r, scale),
        "direction_deg": metrics.direction_deg(h, r),
        "motion_cos": metrics.motion_cos(h, r),
        "pinches": len(gaps),
        "pinch_gap_mm_mean": float(gaps.mean()) if len(gaps) else float("nan"),
        "pinch_gap_within_share": float(touching.mean()) if len(gaps) else float("nan"),
        "false_pinch_share": metrics.false_pinch_share(h, r),
        "limit_violation_share": metrics.limit_violation_share(model, q),
        "penetration_share": float((depth_m > PENETRATION_M).mean()),
        "penetration_max_mm": float(1000 * depth_m.max()),
        "repeatability_rad_p95": metrics.repeatability_rad_p95(q, backward),
        "jump_count": metrics.jump_count(q),
        "lag_frames": metrics.lag_frames(h, metrics.robot_tips_m(model, filtered)),
        "jitter_rad": metrics.jitter_rad(h, filtered),
    }
