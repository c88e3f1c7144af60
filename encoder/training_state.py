"""Everything a run needs to go on exactly where it stopped, as plain tensors in one safetensors file.

Random numbers need no storage: each step seeds its generator from the run's seed and the step's number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from encoder.objectives.sparsh import SparshObjective
from encoder.run_folder import STATE_FILE, write_atomically


def save_state(folder: Path, objective: SparshObjective, optimiser: Optimizer, step: int) -> None:
    """Store the objective, the optimiser and the number of steps done; replaces the former state atomically."""
    tensors = {f"objective.{name}": tensor for name, tensor in objective.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
    write_atomically(folder / STATE_FILE, save(tensors, {"step": str(step)}))


def restore_state(folder: Path, objective: SparshObjective, optimiser: Optimizer) -> int:
    """Load what `save_state` stored and return the number of steps done; 0 where nothing was stored."""
    path = folder / STATE_FILE
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        step = int(file.metadata()["step"])
    objective.load_state_dict(_under("objective.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimiser.", tensors).items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = tensor
    plain: dict[str, Any] = optimiser.state_dict()
    optimiser.load_state_dict({"state": moments, "param_groups": plain["param_groups"]})
    return step


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
