"""The built browser client inside the package: pages by name, bundled files by their hashed name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".map": "application/json"}
BUILD_COMMAND = "make client"


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One bundled file."""

    content: bytes
    media_type: str


class ClientFiles:
    """What `make client` built; everything is read once, so that no request ever names a path."""

    def __init__(self, folder: Traversable | None = None) -> None:
        built = folder or resources.files("server") / "pages" / "client"
        self._pages = {f.name: f.read_bytes() for f in _files(built) if f.name.endswith(".html")}
        self._assets = {f.name: ClientFile(f.read_bytes(), _media_type(f.name)) for f in _files(built / "assets")}

    @property
    def built(self) -> bool:
        """Whether the client is there."""
        return "index.html" in self._pages

    def page(self, name: str) -> bytes | None:
        """A page, or None where the client is not built."""
        return self._pages.get(name)

    def asset(self, name: str) -> ClientFile | None:
        """A bundled file by its exact name, or None."""
        return self._assets.get(name)


def _files(folder: Traversable) -> list[Traversable]:
    return [entry for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []


def _media_type(name: str) -> str:
    return MEDIA_TYPES.get("." + name.rpartition(".")[2], "application/octet-stream")
