"""`skin-teleop zero-skin`: record the untouched skin, its noise and the taxels that do not work."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from drivers.uskin.baseline import Baseline, measure_baseline, taxel_names
from drivers.uskin.source import SkinSource, open_source
from skin_teleop.clock import NS_PER_S, Ticker, mono_ns
from skin_teleop.errors import DeviceError
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import SkinLayout, skin_layout
from skin_teleop.transforms import Array

FIRST_DATA_S = 10.0
TICK_NS = NS_PER_S // 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `zero-skin`."""
    parser.add_argument("--rig", required=True, help="rig file whose skin is read; the rig itself may be up or not")
    parser.add_argument("--second", action="store_true", help="the second hand's skin, on a rig of two hands")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long the skin is left alone, s")
    parser.add_argument("--out", type=Path, default=Path("skin_baseline.npz"), help="where the baseline is written")


def run(options: argparse.Namespace) -> int:
    """Measure, print and write; exit code 1 when a taxel does not work or the skin was touched."""
    config = load_rig(options.rig).seen_by("second_skin" if options.second else "skin").skin
    stop = threading.Event()
    source = open_source(config, stop)
    source.start()
    try:
        flux, age_ms = _watch(source, options.seconds)
    finally:
        stop.set()
        source.join()
    layout, baseline = skin_layout(config.layout), measure_baseline(flux, age_ms)
    _report(baseline, layout)
    np.savez_compressed(
        options.out,
        mean_counts=baseline.mean_counts,
        noise_counts=baseline.noise_counts,
        layout=layout.name,
        t_wall_ns=time.time_ns(),
    )
    print(f"{len(flux)} rows; baseline in {options.out}")
    return int(any(len(taxels) for taxels in (baseline.never, baseline.stuck, baseline.restless)))


def _watch(source: SkinSource, seconds: float) -> tuple[Array, Array]:
    """Values (T, 368, 3) and ages (T, 368) at 50 Hz; raises DeviceError when the skin sends nothing."""
    until = time.monotonic() + FIRST_DATA_S
    while not source.hold.has_data:
        if time.monotonic() > until:
            raise DeviceError(
                "the skin's baseline was to be measured",
                found=f"no complete skin within {FIRST_DATA_S:.0f} s, {source.malformed} frames refused",
                next_step="skin-teleop doctor --rig RIG.toml",
            )
        time.sleep(0.02)
    flux, ages, ticker = [], [], Ticker(TICK_NS)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(ticker.seconds_left())
        ticker.advance()
        with source.lock:
            flux.append(source.hold.flux.copy())
            ages.append(source.hold.age_ms(mono_ns()))
    return np.array(flux), np.array(ages)


def _report(baseline: Baseline, layout: SkinLayout) -> None:
    table = Table("pad", "X", "Y", "Z", "noise", box=None, header_style="dim")
    for pad in layout.pads:
        x, y, z = baseline.mean_counts[pad.taxels].mean(axis=0)
        noise = baseline.noise_counts[pad.taxels].mean()
        table.add_row(pad.name, f"{x:.0f}", f"{y:.0f}", f"{z:.0f}", f"{noise:.1f}")
    Console().print(table)
    for what, taxels in (
        ("dead", baseline.never),
        ("stuck at one value", baseline.stuck),
        ("touched while measuring, leave the skin alone and repeat", baseline.restless),
    ):
        if len(taxels):
            print(f"{what}: {', '.join(taxel_names(taxels, layout))}")
