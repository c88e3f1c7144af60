"""Where training runs and in which precision: a CUDA device where torch sees one, else the processor."""

from __future__ import annotations

from pathlib import Path

import torch


def training_device() -> torch.device:
    """The GPU of this rank, else the processor. The GPU path has not been tried on one yet."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def device_has_bf16() -> bool:
    """True where bfloat16 is multiplied in hardware; elsewhere autocast would only cost time."""
    return torch.cuda.is_bf16_supported(False) if torch.cuda.is_available() else _cpu_has_bf16()


def _cpu_has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
