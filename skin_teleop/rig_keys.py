"""Keys that a rig file may have: an unknown one is refused by name, with the one that was probably meant."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping

from skin_teleop.errors import ConfigError

Tables = Mapping[str, type]
"""The dataclass behind each table of the file."""


def refuse_unknown_keys(plain: Mapping[str, object], kind: type, tables: Tables, source: str) -> None:
    """Raise ConfigError for the first key of a decoded file that its dataclass `kind`, or a table's, does not have."""
    _refuse(plain, kind, "", tables, source)
    for table, value in plain.items():
        if table in tables and isinstance(value, dict):
            _refuse(value, tables[table], f"{table}.", tables, source)


def _refuse(plain: Mapping[str, object], kind: type, prefix: str, tables: Tables, source: str) -> None:
    allowed = [prefix + field.name for field in dataclasses.fields(kind)]
    for key in plain:
        if prefix + key not in allowed:
            raise ConfigError(
                f"rig {source} has an unknown key",
                found=prefix + key,
                allowed=", ".join(allowed),
                next_step=_nearest(key, allowed, tables),
            )


def _nearest(asked: str, allowed: list[str], tables: Tables) -> str | None:
    """The key that was probably meant, from every table: a right key in the wrong table is named too."""
    others = [f"{table}.{field.name}" for table, kind in tables.items() for field in dataclasses.fields(kind)]
    of_key = {key.rpartition(".")[2]: key for key in reversed(allowed + others)}  # the asked table's own keys win
    alike = difflib.get_close_matches(asked, of_key, n=1)
    return f"did you mean {of_key[alike[0]]}?" if alike else None
