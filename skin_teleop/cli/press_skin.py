"""`skin-teleop press-skin`: simulate the two recordings that `fit-skin` needs, on a bench with known forces."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.rig import Rig, WorldConfig, load_rig

if TYPE_CHECKING:
    from drivers.simulated.press_bench import Press


STAMPS = 5
"""Columns that every stream has before its own."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--rig", default="simulated", help="a simulated rig")
    parser.add_argument("--skin", type=Path, metavar="FILE.toml", help="a skin file; without it, the standard skin")
    parser.add_argument("--skin-seed", type=int, default=7, help="which instance of the skin")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument("--baseline-seconds", type=float, default=60.0, metavar="S", help="length of the baseline, s")
    parser.add_argument("--out", type=Path, default=Path("press"), help="folder of the two sessions")


def run(options: argparse.Namespace) -> int:
    """Write a baseline and a press session and say how to fit them."""
    from drivers.simulated.press_bench import PROTOCOL, PROTOCOL_S

    rig = load_rig(options.rig)
    if rig.world is None:
        raise ConfigError("a bench is simulated", found=f"rig {rig.name} talks to hardware", allowed="--rig simulated")
    if options.baseline_seconds < 1 or options.seed < 0 or options.skin_seed < 0:
        raise ConfigError("a bench recording", allowed="at least 1 s of baseline, seeds from 0")
    skin = str(options.skin.resolve()) if options.skin else rig.world.skin_parameters
    rig = dataclasses.replace(
        rig, world=dataclasses.replace(rig.world, seed=options.skin_seed, skin_parameters=skin, object="")
    )
    baseline = record_bench(options.out, rig, "rest", options.baseline_seconds, (), 2 * options.seed)
    press = record_bench(options.out, rig, "press", PROTOCOL_S, PROTOCOL, 2 * options.seed + 1)
    print(f"skin-teleop fit-skin --baseline {baseline} --press {press} --out skin.toml")
    return 0


def record_bench(
    folder: Path, rig: Rig, plan: str, seconds: float, presses: tuple[Press, ...], noise_seed: int
) -> Path:
    """Simulate and seal one bench session of a rig's skin; returns its folder."""
    from dataset_tools.seal import seal_session
    from dataset_tools.session_log import SessionLog
    from drivers.simulated.press_bench import STILL_POSE, STILL_RAD, bench_frames
    from drivers.simulated.rig_skin import rig_skin
    from skin_teleop.cli.simulate_session import OPERATOR, SessionWriter
    from skin_teleop.hand import hand_model
    from skin_teleop.messages import JointState, Truth
    from skin_teleop.skin_layout import skin_layout

    world = rig.world or WorldConfig()
    layout, hand = skin_layout(rig.skin.layout), hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
    skin = rig_skin(layout, world, noise_seed=noise_seed)
    still: dict[str, Any] = dict.fromkeys(
        ("position", "velocity", "target", "torque_command"), STILL_RAD.astype(np.float32)
    )
    row = Truth.row_dtype()
    nothing: dict[str, Any] = {name: np.zeros(row[name].shape) for name in (row.names or ())[STAMPS:]}
    with SessionLog.create(folder, rig, plan=(plan,), operator=OPERATOR, live=False) as log:
        start = Stamp.now()
        writer = SessionWriter(log, rig)
        writer.mark(start, "rest", "begin", 0.0)
        for k, frame in enumerate(bench_frames(skin, layout, hand, seconds, presses, noise_seed)):
            at_ns = round(frame.t_s * NS_PER_S)
            stamp = Stamp(at_ns, start.t_mono + at_ns, start.t_wall + at_ns)
            touched = {"taxel_force": frame.taxel_force_n, "pad_wrench": frame.pad_wrench, "palm_pose": STILL_POSE}
            truth = Truth.stamped(stamp, k, **nothing | touched)
            writer.on_joints(JointState.stamped(stamp, k, target_seq=0, t_command=stamp.t_mono, **still))
            writer.on_skin(truth, frame.counts)
        writer.mark(start, "rest", "end", presses[0].start_s if presses else seconds)
    return seal_session(log.folder)
