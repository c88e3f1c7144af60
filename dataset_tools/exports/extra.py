"""The optional packages behind the exports."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from skin_teleop.errors import MissingPartError


def export_module(name: str) -> Any:
    """A module of the extra [export]; raises MissingPartError when it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPartError(
            "an export was asked for", found=str(error), next_step="pip install 'skin-teleop[export]'"
        ) from error
