"""An encoder as an ONNX file, in float32 or with int8 weights, for inference without torch.

Inputs: `flux` (B, 10, 368, 3) float32 counts above the baseline, `position_m` (B, 10, 368, 3) float32 in the palm
frame, `valid` (B, 368) bool. Outputs: `summary` (B, d), `patches` (B, N, d). Normalisation is part of the file.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from encoder.checkpoint import EncoderConfig
from encoder.model import SparshSkinEncoder
from encoder.windows import WINDOW_FRAMES, WindowBatch
from skin_teleop.errors import TrainingError
from skin_teleop.messages import N_TAXELS
from skin_teleop.transforms import Array

INPUTS, OUTPUTS = ("flux", "position_m", "valid"), ("summary", "patches")
PARITY_FLOAT = 1e-3
"""Largest difference that is taken for rounding; tokens leave the last LayerNorm at a size of about 1."""
PARITY_INT8_COSINE = 0.98
_EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an ONNX file is from the network it was made of, over some random windows."""

    largest_difference: float
    mean_cosine: float
    """Mean cosine between tokens of both."""


class _Traced(nn.Module):
    def __init__(self, encoder: SparshSkinEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, flux: Tensor, position_m: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.encoder(flux, position_m, valid)
        return tokens.summary, tokens.patches


def export_onnx(encoder: SparshSkinEncoder, config: EncoderConfig, path: Path, *, int8: bool = False) -> Parity:
    """Write the file and compare it with the network; raises TrainingError, and leaves no file, where they differ.

    `int8` stores the weights of linear maps in 8 bits and quantises activations on the fly (ONNX Runtime's dynamic
    quantisation).
    """
    part = path.with_name(path.name + ".part")
    try:
        _write(encoder, part)
        if int8:
            _quantise(part)
        _describe(part, config, int8=int8)
        parity = compare(encoder, OnnxEncoder(part))
        _require_parity(parity, int8=int8)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return parity


class OnnxEncoder:
    """An exported file in ONNX Runtime, on one thread of the CPU."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.facts: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        """What the export wrote into the file: geometry, layout, rate and so on."""

    def __call__(self, flux: Array, position_m: Array, valid: Array) -> tuple[Array, Array]:
        """Summary (B, d) and patches (B, N, d) of windows, see the module."""
        feed = {"flux": flux.astype(np.float32), "position_m": position_m.astype(np.float32), "valid": valid}
        summary, patches = self._session.run(list(OUTPUTS), feed)
        return summary, patches


def compare(encoder: SparshSkinEncoder, onnx: OnnxEncoder) -> Parity:
    """Feed both with the same random windows, some taxels missing; batches of another size than at the export."""
    example = _example(encoder, _EXAMPLES + 1)
    with torch.no_grad():
        wanted = encoder(example.flux, example.position_m, example.valid)
    pairs = zip((wanted.summary, wanted.patches), onnx(*(t.numpy() for t in vars(example).values())), strict=True)
    pairs_f = [(want.double().numpy(), got.astype(np.float64)) for want, got in pairs]
    cosines = [
        (want * got).sum(-1) / (np.linalg.norm(want, axis=-1) * np.linalg.norm(got, axis=-1)) for want, got in pairs_f
    ]
    return Parity(
        max(float(np.abs(want - got).max()) for want, got in pairs_f),
        float(np.mean([cosine.mean() for cosine in cosines])),
    )


def _require_parity(parity: Parity, *, int8: bool) -> None:
    same = parity.mean_cosine >= PARITY_INT8_COSINE if int8 else parity.largest_difference <= PARITY_FLOAT
    if not same:
        raise TrainingError(
            "an ONNX file that agrees with its encoder was asked for",
            found=f"largest difference {parity.largest_difference:.2g}, mean cosine {parity.mean_cosine:.4f}",
            allowed=f"cosine of at least {PARITY_INT8_COSINE}" if int8 else f"difference of at most {PARITY_FLOAT}",
            next_step="export without --int8" if int8 else "another version of onnx, onnxscript or onnxruntime",
        )


def _example(encoder: SparshSkinEncoder, batch: int) -> WindowBatch:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, WINDOW_FRAMES, N_TAXELS, 3)
    flux = encoder.flux_mean + encoder.flux_std * torch.randn(shape, generator=generator)
    position_m = 0.1 * torch.rand(shape, generator=generator)
    return WindowBatch(flux, position_m, torch.rand(batch, N_TAXELS, generator=generator) > 0.05)


def _write(encoder: SparshSkinEncoder, path: Path) -> None:
    example = _example(encoder, _EXAMPLES)  # a batch of 1 would be built into the graph as a constant
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)  # it tells of operators of packages that are not installed
    try:
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(
                _Traced(encoder).eval(),
                (example.flux, example.position_m, example.valid),
                path,
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes={name: {0: "batch"} for name in INPUTS},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_name(path.name + ".float")
    path.replace(whole)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it asks for a preparation step that brings nothing here
    try:
        quantize_dynamic(str(whole), str(path), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    finally:
        root.setLevel(level)
        whole.unlink(missing_ok=True)


def _describe(path: Path, config: EncoderConfig, *, int8: bool) -> None:
    """Write into the file what its user must know to feed it."""
    import onnx

    model: Any = cast(Any, onnx).load(str(path))
    facts = {
        "schema": config.schema,
        "geometry": config.geometry,
        "layout": config.layout,
        "rate_hz": str(config.rate_hz),
        "window_frames": str(config.window_frames),
        "simulated": str(config.simulated).lower(),
        "weights": "int8" if int8 else "float32",
    }
    cast(Any, onnx).helper.set_model_props(model, facts)
    cast(Any, onnx).save(model, str(path))
