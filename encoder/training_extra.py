"""Whether the optional part for training is installed. Needs no torch itself."""

from __future__ import annotations

from importlib.util import find_spec

from skin_teleop.errors import MissingPartError

PACKAGES = ("torch", "safetensors", "huggingface_hub")


def require_training_extra(asked: str) -> None:
    """Raise MissingPartError, naming the extra to install, where a package for training is absent."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"{asked} was asked for",
            found=f"{', '.join(missing)} not installed",
            next_step="pip install 'skin-teleop[train]'",
        )
