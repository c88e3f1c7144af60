"""How long an encoder takes from a frame to its embedding, in torch and ONNX Runtime, against the 10 ms of a frame.

Weights are random and frames made up, neither of which changes the time. One core, frames pushed one by one through
the ring that the encoder's process in a rig uses: forward kinematics, normalisation and network.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from encoder.presets import SIZES
from encoder.training_extra import require_training_extra
from skin_teleop.errors import ConfigError

if TYPE_CHECKING:
    from encoder.streaming import Infer

DEFAULT_SIZES = ("pad", "demo", "tiny")
FRAME_MS = 10.0
WARM_FRAMES, MIN_FRAMES, MAX_FRAMES = 15, 30, 2000


def bench_infer(seconds: float, sizes: tuple[str, ...] = DEFAULT_SIZES) -> dict[str, Any]:
    """One row for each size and runtime; about `seconds` of measuring, and some for exporting."""
    require_training_extra("bench infer")
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        each_s = seconds / (3 * len(sizes))
        rows = [_row(size, runtime, infer, each_s) for size in sizes for runtime, infer in _runtimes(size)]
    finally:
        torch.set_num_threads(threads)
    return {"rows": rows, "frame_ms": FRAME_MS, "threads": 1, "load_average": os.getloadavg()[0]}


def show_infer(figures: dict[str, Any]) -> None:
    """The rows as a table."""
    table = Table("size", "runtime", "p50 ms", "p99 ms", "over 10 ms", "frames", box=None, header_style="dim")
    for row in figures["rows"]:
        late = f"{row['overruns_share']:.1%}"
        p50, p99 = (f"{row[name]:.2f}" for name in ("p50_ms", "p99_ms"))
        table.add_row(row["size"], row["runtime"], p50, p99, late, str(row["frames"]))
    Console().print(table)
    Console().print(f"one core, load average {figures['load_average']:.1f}", highlight=False)


def latency_row(size: str, runtime: str, taken_ms: list[float]) -> dict[str, Any]:
    """The figures of one size and runtime from the time of every frame, ms."""
    p50, p99 = np.percentile(taken_ms, [50, 99])
    return {
        "size": size,
        "runtime": runtime,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "overruns_share": float((np.array(taken_ms) > FRAME_MS).mean()),
        "frames": len(taken_ms),
    }


def _runtimes(size: str) -> Iterator[tuple[str, Infer]]:
    """The same random encoder in torch and, where it is installed, as ONNX files in both precisions."""
    from encoder.model import SparshSkinEncoder
    from encoder.onnx_export import OnnxEncoder, export_onnx
    from encoder.streaming import torch_inference

    encoder = SparshSkinEncoder(SIZES[size]).eval()
    yield "torch", torch_inference(encoder)
    if any(find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
        return
    with tempfile.TemporaryDirectory(prefix="skt-bench-") as folder:
        for runtime in ("onnx", "onnx_int8"):
            path = Path(folder) / f"{runtime}.onnx"
            export_onnx(encoder, _config(size), path, int8=runtime == "onnx_int8")
            yield runtime, OnnxEncoder(path)


def _config(size: str) -> Any:
    from encoder.checkpoint import SCHEMA, EncoderConfig

    return EncoderConfig(
        SCHEMA, SIZES[size], "vendor", "xela_ah_right", "demo", "student", "a measurement",
        0, 0, True, {}, False,
    )  # fmt: skip


def _row(size: str, runtime: str, infer: Infer, seconds: float) -> dict[str, Any]:
    from encoder.body import body_of
    from encoder.streaming import StreamingEncoder

    hand = {"name": "allegro", "model": "allegro_v4_right", "finger_joint1_z_m": 0.0204}
    body = body_of({"rig": {"hand": hand, "skin": {"name": "uskin", "layout": "xela_ah_right"}}})
    stream = StreamingEncoder(infer, body, "vendor", np.full((368, 3), 33_000), np.ones(368, bool))
    frames = np.random.default_rng(5).integers(32_900, 33_100, (WARM_FRAMES, 368, 3)).astype(np.uint16)
    fresh, joints = np.zeros(368, np.uint16), np.full(16, 0.3)
    for frame in frames:
        stream.push(frame, fresh, joints)
    taken_ms: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken_ms) < MIN_FRAMES or (time.perf_counter() < until and len(taken_ms) < MAX_FRAMES):
        began = time.perf_counter()
        stream.push(frames[len(taken_ms) % WARM_FRAMES], fresh, joints)
        taken_ms.append(1000 * (time.perf_counter() - began))
    return latency_row(size, runtime, taken_ms)


def run_bench(options: argparse.Namespace) -> int:
    """The verb's part of `bench infer`."""
    sizes = tuple(map(str, options.data)) or DEFAULT_SIZES
    unknown = [name for name in sizes if name not in SIZES]
    if unknown:
        raise ConfigError("sizes were to be measured", found=", ".join(unknown), allowed=", ".join(SIZES))
    figures = bench_infer(options.seconds, sizes)
    show_infer(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0
