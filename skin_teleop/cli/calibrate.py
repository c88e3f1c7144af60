"""`skin-teleop calibrate`: an operator's finger scales from a recorded trace of the open hand, better with touches.

Marks named open, fist, touch_index, touch_middle and touch_ring say what is what; without them touches are looked for.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast, get_args

from rich.console import Console
from rich.table import Table

from server.retargeting.calibration import GOOD_QUALITY, Segment, calibrate, calibrate_segments
from server.trace import Trace, load_trace
from skin_teleop.hand import FINGERS, HAND_MODELS, hand_model
from skin_teleop.transforms import Array, rotation_from_quaternion


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `calibrate`."""
    parser.add_argument("trace", type=Path, help="hand trace (.npz); two seconds of the open hand are enough")
    parser.add_argument("--operator", default="anonymous", help="pseudonym that is stored (default: anonymous)")
    parser.add_argument("--hand-model", default="allegro_v4_right", choices=HAND_MODELS, help="the driven robot hand")
    parser.add_argument("--first-seconds", type=float, metavar="S", help="use only the start of the trace, s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: OPERATOR.calibration.json)")


def run(options: argparse.Namespace) -> int:
    """Measure, print and store; the exit code is 1 when the quality is too low to be used with trust."""
    trace = load_trace(options.trace)
    used = trace.valid.copy()
    if options.first_seconds is not None:
        used &= trace.t_s <= trace.t_s[0] + options.first_seconds
    pose = trace.pose[used].astype(float)
    keypoints = (pose[..., :3] - pose[:, :1, :3]) @ rotation_from_quaternion(pose[:, 0, 3:])
    segments = marked_segments(trace, used, keypoints)
    model = hand_model(options.hand_model)
    if "open" in segments:
        measured = calibrate_segments(segments, model, options.operator)
    else:
        measured = calibrate(keypoints, model, options.operator)
    path = options.out or Path(f"{options.operator}.calibration.json")
    measured.save(path)
    table = Table("finger", "reach mm", "scale", "touch mm", box=None, header_style="dim")
    for finger, reach, scale, touch in zip(FINGERS, measured.reach_m, measured.scale, (*measured.touch_m, None)):
        seen = "" if finger == "thumb" else "not seen" if touch is None else f"{1000 * touch:.0f}"
        table.add_row(finger, f"{1000 * reach:.0f}", f"{scale:.3f}", seen)
    console = Console()
    console.print(table)
    console.print(f"quality {measured.quality:.2f} from {measured.frames} frames", highlight=False)
    console.print(f'stored; put into the rig file under [server]: calibration = "{path}"', markup=False, soft_wrap=True)
    if measured.quality < GOOD_QUALITY:
        console.print(
            f"the quality is below {GOOD_QUALITY}: record two seconds with all fingers straight and the hand in sight"
        )
    return int(measured.quality < GOOD_QUALITY)


def marked_segments(trace: Trace, used: Array, keypoints_m: Array) -> dict[Segment, Array]:
    """Frames (T, 25, 3) between the marks of a guided calibration; `keypoints_m` are those of the rows in `used`."""
    t_s, begun = trace.t_s[used], dict[Segment, float]()
    segments: dict[Segment, Array] = {}
    for mark in trace.marks:
        if mark.label not in get_args(Segment):
            continue
        label = cast(Segment, mark.label)
        if mark.edge == "begin":
            begun[label] = mark.t_s
        elif mark.edge == "end" and label in begun:
            segments[label] = keypoints_m[(t_s >= begun.pop(label)) & (t_s <= mark.t_s)]
    return segments
