"""Seals what a crash left behind: every `.rec` folder whose recorder is gone."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from dataset_tools.reader import open_session
from dataset_tools.seal import is_leftover, seal_session
from dataset_tools.session_folder import is_live
from skin_teleop.errors import SessionError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one leftover session."""

    path: Path
    """The sealed session, or the folder that could not be sealed."""
    rows: dict[str, int] = field(default_factory=dict)
    lost_bytes: int = 0
    """Bytes of the log that could not be used: usually the batch that was being written when the recorder died."""
    problem: str = ""


def leftovers(folder: Path) -> list[Path]:
    """Unsealed sessions of a folder that nobody is working on, oldest first."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if is_leftover(path) and not is_live(path)]


def recover_folder(folder: Path, *, keep_wal: bool = False) -> list[Recovered]:
    """Seal all leftovers of a folder; a session that cannot be sealed is reported and left untouched."""
    return [_recover(path, keep_wal=keep_wal) for path in leftovers(folder)]


def _recover(path: Path, *, keep_wal: bool) -> Recovered:
    try:
        sealed = seal_session(path, keep_wal=keep_wal)
        meta = open_session(sealed).meta
    except SessionError as error:
        log.warning("could not recover %s: %s", path, error)
        return Recovered(path, problem=str(error))
    except Exception as error:  # a session's boundary: one damaged beyond words must not keep the others from recovery
        log.exception("could not recover %s", path)
        return Recovered(path, problem=f"{type(error).__name__}: {error}")
    log.warning("recovered %s", sealed)
    lost = sum(damage["lost_bytes"] for damage in meta.get("log_damage", []))
    return Recovered(sealed, meta.get("rows", {}), lost)
