"""What a safetensors file says that it holds, against what a network needs: asked before any weight takes memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn

from skin_teleop.errors import ConfigError


def difference(path: Path, wanted: Mapping[str, Tensor], prefix: str = "") -> tuple[str, str] | None:
    """What was found and what is wanted, in words, for the tensors whose names begin with `prefix`; None if they fit.

    Raises OSError and SafetensorError where the file cannot be read.
    """
    needed = {prefix + name: list(tensor.shape) for name, tensor in wanted.items()}
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
        found = {name: list(file.get_slice(name).get_shape()) for name in names}
    different = sorted(name for name in needed.keys() | found.keys() if needed.get(name) != found.get(name))
    if not different:
        return None
    name = different[0]
    others = f" and {len(different) - 1} others that differ"
    return f"{name} {found.get(name, 'absent')}{others}", f"{name} {needed.get(name, 'absent')}"


def refuse_other_networks(asked: str, path: Path, networks: nn.Module, next_step: str) -> None:
    """Raise ConfigError where a stored training state holds networks of other shapes; OSError and SafetensorError as
    `difference` does.
    """
    different = difference(path, networks.state_dict(), "objective.")
    if different is not None:
        found, allowed = different
        raise ConfigError(
            asked, found=f"{path.name} with networks of another version: {found}", allowed=allowed, next_step=next_step
        )
