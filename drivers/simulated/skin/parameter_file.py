"""A skin in a file: the parameters that somebody fitted, and the taxels as they were measured.

TOML with a strict schema: an unknown key, a wrong unit or a table of another length is refused, never ignored.
Parameters that are not in the file keep their standard value. `skin-teleop fit-skin` writes such files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin.readout import MeasuredTaxels
from skin_teleop.errors import ConfigError
from skin_teleop.messages import N_TAXELS

SCHEMA = "skin_teleop.skin/1"


class ParameterEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter: its value, and where it comes from."""

    value: float
    unit: str
    kind: Literal["cited", "fitted", "guess"]
    source: str
    low: float | None = None
    """Lower end of the 95 % interval, in the same unit."""
    high: float | None = None


class SourceSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recording that a skin was fitted to."""

    id: str
    fingerprint: str
    """SHA-256 of its raw counts, as in the session's own store."""
    simulated: bool


class TaxelTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The taxels of one hand, canonical order."""

    rest_counts: list[tuple[float, float, float]]
    gain: list[float]
    dead: list[int]


class SkinFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in the file."""

    schema: Literal["skin_teleop.skin/1"]
    layout: str
    made_by: str
    sessions: dict[str, SourceSession]
    parameters: dict[str, ParameterEntry]
    taxels: TaxelTable

    def skin_parameters(self) -> SkinParameters:
        """The standard parameters with those of the file in their place."""
        return dataclasses.replace(SkinParameters(), **{name: entry.value for name, entry in self.parameters.items()})

    def measured_taxels(self) -> MeasuredTaxels:
        """The taxels as arrays."""
        dead = np.isin(np.arange(N_TAXELS), self.taxels.dead)
        return MeasuredTaxels(np.array(self.taxels.rest_counts), np.array(self.taxels.gain), dead)


def load_skin_file(path: str | Path, layout: str) -> SkinFile:
    """Read a file for a skin of this layout.

    Raises ConfigError that names the wrong key, value or unit and says what is allowed.
    """
    try:
        file = msgspec.toml.decode(Path(path).read_bytes(), type=SkinFile)
    except OSError as error:
        raise ConfigError(
            f"skin file {path} was asked for",
            found=error.strerror or str(error),
            next_step="skin-teleop fit-skin --baseline SESSION --press SESSION --out FILE.toml",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"skin file {path} has a wrong key or value", found=str(error)) from error
    if file.layout != layout:
        raise ConfigError(f"skin file {path}: layout", found=file.layout, allowed=f"{layout}, the rig's skin.layout")
    _check_parameters(file, path)
    _check_taxels(file.taxels, path)
    return file


def _check_parameters(file: SkinFile, path: str | Path) -> None:
    units = {entry.name: entry.metadata["unit"] for entry in dataclasses.fields(SkinParameters)}
    for name, entry in file.parameters.items():
        if name not in units:
            raise ConfigError(f"skin file {path} has an unknown parameter", found=name, allowed=", ".join(units))
        if entry.unit != units[name]:
            raise ConfigError(f"skin file {path}: unit of {name}", found=entry.unit, allowed=units[name])
    file.skin_parameters().check()


def _check_taxels(taxels: TaxelTable, path: str | Path) -> None:
    for name, table in (("rest_counts", taxels.rest_counts), ("gain", taxels.gain)):
        if len(table) != N_TAXELS:
            raise ConfigError(f"skin file {path}: rows of taxels.{name}", found=str(len(table)), allowed=str(N_TAXELS))
        if not np.isfinite(table).all() or np.min(table) < 0:
            raise ConfigError(f"skin file {path}: values of taxels.{name}", allowed="finite numbers from 0")
    if any(not 0 <= taxel < N_TAXELS for taxel in taxels.dead):
        raise ConfigError(
            f"skin file {path}: taxels.dead", found=f"{taxels.dead}", allowed=f"indices 0 to {N_TAXELS - 1}"
        )


def skin_file_text(file: SkinFile) -> str:
    """The file as TOML, one line a parameter's fact and a taxel."""
    lines = [f"schema = {_text(file.schema)}", f"layout = {_text(file.layout)}", f"made_by = {_text(file.made_by)}"]
    for section, entries in (("sessions", file.sessions), ("parameters", file.parameters)):
        for name, entry in entries.items():
            facts = {key: value for key, value in msgspec.structs.asdict(entry).items() if value is not None}
            lines += ["", f"[{section}.{name}]", *(f"{key} = {_value(value)}" for key, value in facts.items())]
    lines += ["", "[taxels]", f"dead = {file.taxels.dead}", f"gain = {_rows(f'{g:.4f}' for g in file.taxels.gain)}"]
    rest = (f"[{x:.2f}, {y:.2f}, {z:.2f}]" for x, y, z in file.taxels.rest_counts)
    return "\n".join([*lines, f"rest_counts = {_rows(rest)}"]) + "\n"


def _rows(rows: Iterable[str]) -> str:
    return "[\n" + "".join(f"  {row},\n" for row in rows) + "]"


def _value(value: str | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _text(value) if isinstance(value, str) else f"{float(f'{value:.6g}')!r}"


def _text(text: str) -> str:
    """A TOML basic string; JSON escapes are a part of TOML's."""
    return msgspec.json.encode(text).decode()
