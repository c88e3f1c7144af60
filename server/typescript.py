"""The browser's side of the protocol, written from the Python side: `python -m server.typescript FILE`.

Message types come from `server.control`, layouts from `server.protocol` and `server.display`. A test keeps the file in
the client equal to what this module writes.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import msgspec

from server import access, control, display, protocol, teleop_state
from skin_teleop import messages

SIMPLE: dict[Any, str] = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
CONSTANTS: dict[str, str | int] = {
    "PROTOCOL": control.PROTOCOL,
    "TOKEN_PREFIX": access.TOKEN_PREFIX,
    "MAGIC_AND_VERSION": protocol.MAGIC_AND_VERSION,
    "TYPE_HAND_POSE": protocol.TYPE_HAND_POSE,
    "TYPE_DISPLAY": display.TYPE_DISPLAY,
    "POSE_HEADER_BYTES": protocol.HEADER.size,
    "POSE_FRAME_BYTES": protocol.FRAME_BYTES,
    "DISPLAY_HEADER_BYTES": display.HEADER.size,
    "DISPLAY_BYTES": display.DISPLAY_BYTES,
    "N_HAND_JOINTS": messages.N_HAND_JOINTS,
    "N_JOINTS": messages.N_JOINTS,
    "N_TAXELS": messages.N_TAXELS,
    "CLOSE_TOKEN": access.CLOSE_TOKEN,
    "CLOSE_ORIGIN": access.CLOSE_ORIGIN,
    "CLOSE_SEAT": access.CLOSE_SEAT,
    "CLOSE_REPLACED": access.CLOSE_REPLACED,
    "STOPPED": teleop_state.STOPPED,
}
DISPLAY_FLAGS = {
    "MEASURED": display.MEASURED,
    "COMMANDED": display.COMMANDED,
    "SKIN": display.SKIN,
    "SKIN_STALE": display.SKIN_STALE,
}
UNIONS = {"FromOperator": control.FromOperator, "FromDesk": control.FromDesk, "FromServer": control.FromServer}


def typescript() -> str:
    """The text of the client's generated file."""
    lines = ["// Written by `python -m server.typescript`; change the Python side and run it again.", ""]
    lines += [f"export const {name} = {_literal(value)};" for name, value in CONSTANTS.items()]
    lines += ["", _flags("Flag", {flag.name or "": flag.value for flag in protocol.Flag})]
    lines += [_flags("DisplayFlag", DISPLAY_FLAGS), ""]
    for kind in _structures():
        lines += [_interface(kind), ""]
    for name, union in UNIONS.items():
        lines.append(f"export type {name} = {' | '.join(kind.__name__ for kind in typing.get_args(union))};")
    return "\n".join(lines) + "\n"


def _structures() -> list[Any]:
    """Every type that crosses the socket, each once, in the order of its first mention."""
    found: dict[Any, None] = {}
    for union in UNIONS.values():
        for kind in typing.get_args(union):
            _collect(kind, found)
    return list(found)


def _collect(kind: Any, found: dict[Any, None]) -> None:
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)):
        for hint in typing.get_type_hints(kind).values():
            _collect(hint, found)
        found.setdefault(kind)


def _interface(kind: Any) -> str:
    summary = (kind.__doc__ or "").strip().splitlines()[0]
    hints = typing.get_type_hints(kind, include_extras=True)
    names = msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else dataclasses.fields(kind)
    members = [f"  {field.name}: {_type(hints[field.name])};" for field in names]
    if issubclass(kind, control.ControlMessage):
        members.insert(0, f"  type: {_literal(kind.__struct_config__.tag)};")
    return f"/** {summary} */\nexport interface {kind.__name__} {{\n" + "\n".join(members) + "\n}"


def _type(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " | ".join(_literal(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " | ".join(_type(part) for part in inner)
    if origin in (list, tuple):
        return f"{_type(inner[0])}[]"
    if origin is dict:
        return f"Record<string, {_type(inner[1])}>"
    return SIMPLE.get(hint) or str(hint.__name__)


def _flags(name: str, values: dict[str, int]) -> str:
    inside = ", ".join(f"{flag}: {value}" for flag, value in values.items())
    return f"export const {name} = {{ {inside} }} as const;"


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(int(value) if isinstance(value, enum.IntEnum) else value)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(typescript())
