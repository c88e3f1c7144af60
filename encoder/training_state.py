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
from encoder.stored_shapes import refuse_other_networks

STATES_KEPT = 3
OTHER_VERSION = "choose another --out for a new run, or resume it with the version that began it"

_log = logging.getLogger(__name__)


def save_state(folder: Path, objective: Objective, optimiser: Optimizer, step: int, core_s: float) -> None:
    """Store the objective, the optimiser, the steps done and what they cost; the last three states are kept."""
    tensors = {f"objective.{name}": tensor for name, tensor in objective.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
    write_atomically(folder / f"training-{step:09d}.safetensors", _packed(tensors, step, core_s))
    for old in stored_states(folder)[STATES_KEPT:]:
        old.unlink()


def keep_for_extension(folder: Path) -> None:
    """Leave only the newest state of a run that is finished, under another name."""
    newest, *others = stored_states(folder)
    newest.replace(folder / EXTENSION_FILE)
    for old in others:
        old.unlink()


def begin_from(base: Path, folder: Path) -> None:
    """Make the last state of a finished run the state of a new run before its first step; what it cost is kept."""
    tensors, _, core_s = _read(base / EXTENSION_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"training-{0:09d}.safetensors", _packed(tensors, 0, core_s))


def restore_state(folder: Path, objective: Objective, optimiser: Optimizer) -> tuple[int, float]:
    """Load the newest whole state; steps done and their core seconds, 0 and 0 where nothing usable was stored.

    Raises ConfigError where another version's networks are stored.
    """
    for path in stored_states(folder):
        try:
            refuse_other_networks(f"the run in {folder} was to be resumed", path, objective, OTHER_VERSION)
            tensors, step, core_s = _read(path)
        except (OSError, SafetensorError) as error:
            _log.warning("%s cannot be read (%s): going on from the state before it", path.name, error)
            continue
        _load(tensors, objective, optimiser)
        return step, core_s
    return 0, 0.0


def _packed(tensors: dict[str, Tensor], step: int, core_s: float) -> bytes:
    content: bytes = save(tensors, {"step": str(step), "core_s": f"{core_s:.3f}"})
    return content


def _read(path: Path) -> tuple[dict[str, Tensor], int, float]:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        facts = file.metadata()
        return tensors, int(facts["step"]), float(facts.get("core_s", 0))


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
