"""Tactile-skin teleoperation of dexterous hands: drive, record, label and pretrain Sparsh-skin.

The face for people who write Python; everything is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_FACE = {
    "open_session": "dataset_tools.reader",
    "load_encoder": "encoder.checkpoint",
    "SkinLayout": "skin_teleop.skin_layout",
    "skin_layout": "skin_teleop.skin_layout",
    "hand_model": "skin_teleop.hand",
}
__all__ = sorted(_FACE)


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'skin_teleop' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_FACE[name]), name)
