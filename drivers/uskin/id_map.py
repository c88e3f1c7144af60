"""The id map of a kit on raw CAN: which taxel sends on which bus under which id. It is the user's own data.

How the kit's controllers and pads map to ids is not public, so there is no default. A CSV file:

    bus,id,pad,taxel
    can0,0x141,3aftc,1
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import SkinLayout

COLUMNS = ["bus", "id", "pad", "taxel"]

IdMap = dict[str, dict[int, int]]
"""bus name to CAN id to canonical taxel."""


def read_id_map(file: str, buses: tuple[str, ...], layout: SkinLayout) -> IdMap:
    """Read a map; raises ConfigError with the line for anything that cannot be, and for a taxel that is missing."""
    id_map: IdMap = {bus: {} for bus in buses}
    seen: dict[int, int] = {}
    for line, identifier, row in rows_on(file, buses):
        where = f"{file} line {line}"
        pad = layout.pad(row["pad"])
        number = _number(row["taxel"], where, "taxel", pad.count)
        taxels = [k for k in range(pad.first, pad.first + pad.count) if layout.vendor_taxel[k] == number]
        if not taxels or taxels[0] in seen:
            line_before = f"already on line {seen[taxels[0]]}" if taxels else "no such taxel"
            raise ConfigError(
                f"{where}: taxel {number} of {pad.name}", found=line_before, allowed=f"1 to {pad.count}, once"
            )
        if identifier in id_map[row["bus"]]:
            raise ConfigError(f"{where}: id 0x{identifier:X}", found=f"used twice on {row['bus']}")
        seen[taxels[0]] = line
        id_map[row["bus"]][identifier] = taxels[0]
    if len(seen) != len(layout.vendor_taxel):
        raise ConfigError(f"{file} should map every taxel", found=f"{len(seen)} of {len(layout.vendor_taxel)}")
    return id_map


def rows_on(file: str, buses: tuple[str, ...]) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Line, CAN id and columns of every row; raises ConfigError with the line for a bus or an id that cannot be."""
    for line, row in _rows(file):
        where = f"{file} line {line}"
        if row["bus"] not in buses:
            raise ConfigError(f"{where}: bus", found=row["bus"], allowed=", ".join(buses))
        yield line, _number(row["id"], where, "id", 0x7FF), row


def _rows(file: str) -> list[tuple[int, dict[str, str]]]:
    try:
        with Path(file).open(newline="") as lines:
            reader = csv.DictReader(lines)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"skin.id_map {file!r} cannot be read", found=str(error)) from error
    if reader.fieldnames != COLUMNS or any(None in row.values() or None in row for _, row in rows):
        raise ConfigError(f"{file} should have the columns {','.join(COLUMNS)}", found=str(reader.fieldnames))
    return rows


def _number(text: str, where: str, what: str, highest: int) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= highest:
        raise ConfigError(f"{where}: {what}", found=repr(text), allowed=f"0 to {highest}, decimal or 0x")
    return number
