"""Sessions of older schema versions, brought to today's form while they are read.

A migration is a pure function of the description and a table of renamed columns. What was recorded stays on the disk as
it was written; only what `open_session` returns is of today's form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dataset_tools.stream import Stream
from skin_teleop.messages import Array

MIGRATED_FROM = "migrated_from"
"""Key of a migrated description: the version that stands on the disk."""


@dataclass(frozen=True, slots=True)
class Migration:
    """From the version before to `version`."""

    version: str
    description: Callable[[dict[str, Any]], dict[str, Any]]
    """The older content of session.json to the newer one; must not change what it is given."""
    columns: Mapping[str, Mapping[str, str]]
    """Message type to the newer name of a column to its older one."""


MIGRATIONS: tuple[Migration, ...] = ()
"""Oldest first. 1.0.0 is the first version of the schema, so there is nothing to migrate yet."""


def migrate_description(meta: dict[str, Any]) -> dict[str, Any]:
    """The content of session.json in today's form; the same object where it is of today's version."""
    found = str(meta["version"])
    for migration in _missing(found):
        meta = migration.description(meta) | {"version": migration.version, MIGRATED_FROM: found}
    return meta


def migrate_streams(streams: Mapping[str, Stream], version: str) -> Mapping[str, Stream]:
    """Streams by name with today's names of their columns; `version` is that of what lies on the disk."""
    for migration in _missing(version):
        streams = {name: _renamed(stream, migration.columns) for name, stream in streams.items()}
    return streams


def migrate_digests(
    digests: Mapping[str, Mapping[str, str]], streams: Mapping[str, Stream], version: str
) -> dict[str, dict[str, str]]:
    """Digests by stream and column with today's names of the columns, as `migrate_streams` gives them."""
    named = {name: dict(columns) for name, columns in digests.items()}
    for migration in _missing(version):
        for name in named.keys() & streams.keys():
            newer = {older: new for new, older in _names(streams[name], migration.columns).items()}
            named[name] = {newer.get(field, field): digest for field, digest in named[name].items()}
    return named


def _names(stream: Stream, columns: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    return columns.get(str(stream.attributes["message"]), {})


def _renamed(stream: Stream, columns: Mapping[str, Mapping[str, str]]) -> Stream:
    names = _names(stream, columns)
    return RenamedStream(stream, names) if names else stream


def _missing(version: str) -> list[Migration]:
    return [migration for migration in MIGRATIONS if _numbers(version) < _numbers(migration.version)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


class RenamedStream(Stream):
    """A stream some of whose columns have other names than on the disk."""

    def __init__(self, stored: Stream, names: Mapping[str, str]) -> None:
        super().__init__(stored.name)
        self._stored = stored
        self._older = names
        self._newer = {older: newer for newer, older in names.items()}

    @property
    def fields(self) -> tuple[str, ...]:
        """Today's names of all columns, stamps first."""
        return tuple(self._newer.get(field, field) for field in self._stored.fields)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._stored.rows

    @property
    def attributes(self) -> dict[str, Any]:
        """What the session says about the stream, under today's names."""
        attributes = self._stored.attributes
        tables = {key: self._with_newer_names(attributes[key]) for key in ("units", "frame") if key in attributes}
        return attributes | tables

    def _with_newer_names(self, table: Mapping[str, Any]) -> dict[str, Any]:
        return {self._newer.get(field, field): value for field, value in table.items()}

    def _read(self, field: str, start: int, stop: int) -> Array:
        return self._stored.read(self._older.get(field, field), start, stop)
