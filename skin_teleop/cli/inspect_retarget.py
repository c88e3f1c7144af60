"""`skin-teleop inspect --retarget`: a hand trace with the robot hand that follows it, as a page or as a picture."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from server.operator_motion.gestures import GESTURES, gesture_trace
from server.retargeting.calibration import MIN_FRAMES, calibrate
from server.retargeting.metrics import human_tips_m, robot_tips_m
from server.retargeting.retargeter import RetargetedFrames, Retargeter
from server.trace import Trace, load_trace
from skin_teleop.cli.report.colours import BACKGROUND, FAINT, FINGER_COLOURS, ROSE, TEXT
from skin_teleop.cli.report.hand_overlay import Moment, overlay_strip
from skin_teleop.cli.report.style import PICTURE_DPI, data_uri, new_figure
from skin_teleop.errors import ConfigError, TraceError
from skin_teleop.hand import FINGERS, TIP_RADIUS_M, hand_model
from skin_teleop.transforms import Array, rotation_from_quaternion

MOMENTS = 6
USUAL_SCALE = np.array([1.33, 1.25, 1.33, 1.13])
"""A middling hand's, for traces too short to measure one."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A retargeted trace."""

    name: str
    keypoints_m: Array
    """(T, 25, 3) in the wrist frame."""
    t_s: Array
    scale: Array
    answers: RetargetedFrames


def inspect_retarget(trace: str, out: Path | None) -> Path:
    """Write the page of a trace file or of one of `GESTURES`, a picture of its strip where `out` ends in .png.

    Raises TraceError for a trace that cannot be played and ConfigError for an `out` that exists.
    """
    name = trace if trace in GESTURES else Path(trace).stem
    file = out or Path(f"{name}.retarget.html")
    if out is not None and out.exists():
        raise ConfigError(f"--out {out}", found="it exists already", allowed="a new file")
    shown = _retarget(name, gesture_trace(trace) if trace in GESTURES else load_trace(Path(trace)))
    strip = overlay_strip(hand_model("allegro_v4_right"), shown.scale, _moments(shown))
    if file.suffix == ".png":
        strip.savefig(file, dpi=PICTURE_DPI)
    else:
        file.write_text(_page(shown, [strip, _curves(shown)]))
    return file


def _retarget(name: str, trace: Trace) -> Shown:
    pose = trace.pose[trace.valid].astype(float)
    if not len(pose):
        raise TraceError(f"the trace {name} was to be shown", found="no tracked hand in it")
    keypoints = (pose[..., :3] - pose[:, :1, :3]) @ rotation_from_quaternion(pose[:, 0, 3:])
    model = hand_model("allegro_v4_right")
    measured = len(pose) >= MIN_FRAMES and name not in GESTURES
    scale = np.array(calibrate(keypoints, model, "inspected").scale) if measured else USUAL_SCALE
    return Shown(name, keypoints, trace.t_s[trace.valid], scale, Retargeter(model, scale).solve_all(keypoints))


def _moments(shown: Shown) -> list[Moment]:
    """Frames evenly spread over the trace."""
    rows = np.unique(np.linspace(0, len(shown.t_s) - 1, MOMENTS).round().astype(int))
    return [Moment(f"{shown.t_s[row]:.1f} s", shown.keypoints_m[row], shown.answers.q_rad[row]) for row in rows]


def _curves(shown: Shown) -> Figure:
    """Fingertip errors, gaps to the thumb of both hands, and how near any two links come, over time."""
    answers, t_s = shown.answers, shown.t_s
    human, robot = human_tips_m(shown.keypoints_m), robot_tips_m(hand_model("allegro_v4_right"), answers.q_rad)
    figure = new_figure(11.5, 6.5)
    error, gap, near = figure.subplots(3, 1, sharex=True)
    for k, finger in enumerate(FINGERS):
        error.plot(t_s, 1000 * answers.finger_error_m[:, k], color=FINGER_COLOURS[finger], label=finger)
        if finger != "thumb":
            apart = 1000 * (np.linalg.norm(robot[:, k] - robot[:, 3], axis=-1) - 2 * TIP_RADIUS_M)
            gap.plot(t_s, apart, color=FINGER_COLOURS[finger], label=f"robot {finger}")
            asked = 1000 * np.linalg.norm(human[:, k] - human[:, 3], axis=-1)
            gap.plot(t_s, asked, color=FINGER_COLOURS[finger], ls=":", label=f"human {finger}")
    near.plot(t_s, 1000 * answers.closest_m, color=TEXT)
    for t in t_s[[bool(cause) for cause in answers.held]]:
        near.axvline(t, color=ROSE, lw=0.5)
    error.set(ylabel="mm", title="fingertip from where it was asked to be")
    gap.set(ylabel="mm", title="thumb to finger: gap between the robot's tips, distance of the human's joints")
    near.set(xlabel="s", ylabel="mm", title="nearest links of different fingers; below 0 a depth; red: held")
    error.legend(ncols=4), gap.legend(ncols=6)
    return figure


def _page(shown: Shown, figures: list[Figure]) -> str:
    answers = shown.answers
    held = sorted({cause for cause in answers.held if cause})
    facts = [
        f"{len(shown.t_s)} frames in {shown.t_s[-1] - shown.t_s[0]:.1f} s",
        "finger scales " + ", ".join(f"{finger} {size:.2f}" for finger, size in zip(FINGERS, shown.scale)),
        f"fingertip error {1000 * answers.finger_error_m.mean():.1f} mm in the mean",
        f"deepest contact {max(0.0, -1000 * float(answers.closest_m.min())):.1f} mm",
        f"{sum(map(bool, answers.held))} frames held" + (": " + "; ".join(held) if held else ""),
    ]
    pictures = "".join(f'<img alt="human and robot hand" src="{data_uri(figure)}">' for figure in figures)
    title = html.escape(f"{shown.name}: human hand and robot hand")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: dark; }}
body {{ margin: 2rem auto; max-width: 1240px; background: {BACKGROUND}; color: {TEXT};
  font: 16px/1.6 system-ui, sans-serif; }}
img {{ width: 100%; }} p {{ color: {FAINT}; }}
</style></head><body><h1>{title}</h1><p>{html.escape("; ".join(facts))}.</p>
<p>Filled: the robot's links and fingertips. Lines: the human's bones at the robot's size, rings where the fingertips
were asked to be.</p>{pictures}</body></html>
"""
