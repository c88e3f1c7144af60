"""Everything a run needs to go on exactly where it stopped, as plain tensors in a safetensors file.

Random numbers need no storage: each step seeds its generator from the run's seed and the step's number.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from encoder.objectives.objective import Objective
from encoder.run_folder import EXTENSION_FILE, stored_states, write_atomically

STATES_KEPT = 3

_log = logging.getLogger(__name__)


def save_state(folder: Path, objective: Objective, optimiser: Optimizer, step: int) -> None:
    """Store the objective, the optimiser and the number of steps done; the last three states are kept."""
    tensors = {f"objective.{name}": tensor for name, tensor in objective.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
    write_atomically(folder / f"training-{step:09d}.safetensors", save(tensors, {"step": str(step)}))
    for old in stored_states(folder)[STATES_KEPT:]:
        old.unlink()


def keep_for_extension(folder: Path) -> None:
    """Leave only the newest state of a run that is finished, under another name."""
    newest, *others = stored_states(folder)
    newest.replace(folder / EXTENSION_FILE)
    for old in others:
        old.unlink()


def begin_from(base: Path, folder: Path) -> None:
    """Make the last state of a finished run the state of a new run before its first step."""
    tensors, _ = _read(base / EXTENSION_FILE)
    write_atomically(folder / f"training-{0:09d}.safetensors", save(tensors, {"step": "0"}))


def restore_state(folder: Path, objective: Objective, optimiser: Optimizer) -> int:
    """Load the newest whole state and return the number of steps done; 0 where nothing usable was stored."""
    for path in stored_states(folder):
        try:
            tensors, step = _read(path)
        except (OSError, SafetensorError) as error:
            _log.warning("%s cannot be read (%s): going on from the state before it", path.name, error)
            continue
        _load(tensors, objective, optimiser)
        return step
    return 0


def _read(path: Path) -> tuple[dict[str, Tensor], int]:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return tensors, int(file.metadata()["step"])


def _load(tensors: dict[str, Tensor], objective: Objective, optimiser: Optimizer) -> None:
    objective.load_state_dict(_under("objective.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimiser.", tensors).items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = tensor
    plain: dict[str, Any] = optimiser.state_dict()
    optimiser.load_state_dict({"state": moments, "param_groups": plain["param_groups"]})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
