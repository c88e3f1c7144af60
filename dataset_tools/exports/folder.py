"""An export's folder appears complete or not at all, and never in the place of another."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from dataset_tools.durable import rename_durably
from skin_teleop.errors import SessionError


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A hidden folder to build in, renamed to `target` at the end; raises SessionError when the target exists."""
    with _appearing(target) as building:
        building.mkdir(parents=True)
        yield building


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A hidden file to write, renamed to `target` at the end; raises SessionError when the target exists."""
    with _appearing(target) as building:
        building.parent.mkdir(parents=True, exist_ok=True)
        yield building


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    if target.exists():
        raise SessionError(f"an export to {target} was asked for", found="it exists already", allowed="a new name")
    building = target.with_name(f".{target.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        yield building
        rename_durably(building, target)
    except OSError as error:
        raise SessionError(f"the export {target} cannot be written", found=error.strerror or str(error)) from error
    finally:
        if building.is_dir():
            shutil.rmtree(building)
        elif building.is_file():
            building.unlink()
