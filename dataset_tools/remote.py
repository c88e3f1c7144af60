"""Sessions in an object store: `s3://bucket/prefix`, `gs://`, `az://` and what else obstore knows, read and written.

Credentials and endpoints come from the environment, as the store's own tools read them (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, ...). Needs the extra [remote].
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dataset_tools.stream import SealedStream, Stream
from skin_teleop.errors import MissingPartError, SessionError
from skin_teleop.messages import Array

RETRIES: dict[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
"""obstore's own default of three minutes would look like a hang."""
READ_BYTES = 8 << 20
"""Objects are compared with their digests in pieces of this size."""


def is_remote(place: str | Path) -> bool:
    """Whether a session's place is the URL of an object store; a Path never is."""
    return isinstance(place, str) and "://" in place


class ObjectFolder:
    """A folder of objects. Raises SessionError when the store refuses or cannot be reached."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        stores = _obstore("obstore.store")
        self._failure: type[Exception] = _obstore("obstore.exceptions").BaseError
        with self._told():
            self._store: Any = stores.from_url(self.url, retry_config=RETRIES, client_options={"allow_http": True})

    def read(self, name: str) -> bytes | None:
        """Content of a small object, None where there is none."""
        with self._told(), contextlib.suppress(FileNotFoundError):
            return bytes(self._store.get(name).bytes())
        return None

    def digest(self, name: str) -> str | None:
        """SHA-256 of an object as the store gives it back, None where there is none."""
        digest = hashlib.sha256()
        with self._told(), contextlib.suppress(FileNotFoundError):
            for part in self._store.get(name).stream(min_chunk_size=READ_BYTES):
                digest.update(part)
            return digest.hexdigest()
        return None

    def put(self, source: Path, name: str) -> None:
        """Store a file under a name; an object appears whole or not at all."""
        with self._told():
            self._store.put(name, source)

    def open_zarr(self, name: str) -> zarr.Group:
        """The Zarr v3 group that stands in a subfolder, read-only."""
        with self._told():
            return zarr.open_group(zarr.storage.ObjectStore(self._store, read_only=True), path=name, mode="r")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise SessionError(
                f"the object store at {self.url} was asked",
                found=str(error).partition("\n")[0],
                next_step="check the URL, the credentials and the endpoint in the environment (AWS_...)",
            ) from error


class RemoteStream(SealedStream):
    """A stream of a sealed session in an object store: a column costs no request before its rows are read."""

    def __init__(self, name: str, group: zarr.Group) -> None:
        Stream.__init__(self, name)
        self._attributes = dict(group.attrs)
        self._group = group
        self._opened: dict[str, Any] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all columns, stamps first."""
        return tuple(self._attributes["units"])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self._attributes["rows"])

    def _read(self, field: str, start: int, stop: int) -> Array:
        try:
            if field not in self._opened:
                self._opened[field] = self._group[field]
            return np.asarray(self._opened[field][start:stop])
        except (OSError, KeyError, _obstore("obstore.exceptions").BaseError) as error:
            raise SessionError(
                f"{self.name}/{field} was to be read from the object store",
                found=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
                next_step="try again; where it stays so, put the session there anew with skin-teleop backup",
            ) from error


def _obstore(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPartError(
            "a session in an object store was asked for",
            found=str(error),
            next_step="pip install 'skin-teleop[remote]'",
        ) from error
