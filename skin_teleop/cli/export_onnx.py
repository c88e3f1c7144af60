"""`skin-teleop export-onnx`: a run's encoder as one ONNX file, checked against the network it was made of."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from encoder.training_extra import require_training_extra
from skin_teleop.errors import ConfigError, MissingPartError

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder with config.json and model.safetensors")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file; default RUN.onnx, or RUN.int8.onnx, beside")
    parser.add_argument("--int8", action="store_true", help="weights in 8 bits: a quarter of the size, faster")


def run(options: argparse.Namespace) -> int:
    """Export, compare, and say how far the file is from the network."""
    require_training_extra("an ONNX file")
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            "an ONNX file was asked for",
            found=f"{', '.join(missing)} not installed",
            next_step="pip install 'skin-teleop[onnx]'",
        )
    from encoder.checkpoint import load_config, load_encoder
    from encoder.onnx_export import export_onnx

    folder = options.run.resolve()
    path = options.out or folder.with_name(folder.name + (".int8.onnx" if options.int8 else ".onnx"))
    if path.exists():
        raise ConfigError(f"{path} was to be written", found="a file of that name", next_step="choose another --out")
    parity = export_onnx(load_encoder(options.run), load_config(options.run), path, int8=options.int8)
    Console().print(
        f"{path}: {path.stat().st_size / 2**20:.1f} MiB; on random windows its tokens differ from torch's by at most "
        f"{parity.largest_difference:.1e}, mean cosine {parity.mean_cosine:.5f}"
    )
    return 0
