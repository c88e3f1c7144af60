"""Seals, keeps and discards sessions beside the recording, one after the other, so that the bus goes on draining."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from dataset_tools.recovery import recover_folder
from dataset_tools.seal import seal_session
from dataset_tools.session_folder import TRASH_FOLDER, change_meta, load_meta, sealed_name
from skin_teleop.errors import SessionError

log = logging.getLogger(__name__)


class SealingWorker:
    """A thread with a queue of work on finished sessions. `last_sealed` and `problem` say how it went."""

    def __init__(self, *, keep_wal: bool) -> None:
        self.last_sealed: Path | None = None
        self.problem = ""
        self._keep_wal = keep_wal
        self._unsealed = 0
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sealing")
        self._thread.start()

    @property
    def sealing(self) -> bool:
        """Whether a session waits for its seal."""
        return self._unsealed > 0

    def seal(self, folder: Path) -> None:
        """Seal a stopped session."""
        self._unsealed += 1
        self._jobs.put(lambda: self._seal(folder))

    def keep(self, folder: Path) -> None:
        """Note in session.json that the operator wants to keep a stopped session."""
        self._jobs.put(lambda: self._note_kept(folder))

    def discard(self, folder: Path) -> None:
        """Move a stopped session to the folder `trash` beside it; nothing is deleted."""
        self._jobs.put(lambda: self._move_to_trash(folder))

    def close(self) -> None:
        """Finish all work and end."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # a thread's boundary: the recorder must go on
                log.exception("work on a finished session failed")
                self.problem = str(error)

    def _seal(self, folder: Path) -> None:
        try:
            self.last_sealed = seal_session(folder, keep_wal=self._keep_wal)
        finally:
            self._unsealed -= 1

    def _note_kept(self, folder: Path) -> None:
        place = _present_place(folder)
        notes = load_meta(place)["notes"]
        if "kept" not in notes:
            change_meta(place, notes=[*notes, "kept"])

    def _move_to_trash(self, folder: Path) -> None:
        place = _present_place(folder)
        trash = place.parent / TRASH_FOLDER
        trash.mkdir(exist_ok=True)
        shutil.move(place, trash / place.name)
        log.info("discarded %s: it lies in %s", place.name, trash)
        if self.last_sealed == place:
            self.last_sealed = None


def _present_place(folder: Path) -> Path:
    """Where a stopped session stands now: under its sealed name, or still as `.rec` when its seal failed."""
    for place in (sealed_name(folder), folder):
        if place.is_dir():
            return place
    raise SessionError(f"session {folder} was asked for", found="it is no longer there")


def recover_in_background(folder: Path, *, keep_wal: bool) -> threading.Thread:
    """Seal what earlier crashes left in a folder, in a thread of its own."""
    thread = threading.Thread(target=_recover, args=(folder, keep_wal), name="recovery")
    thread.start()
    return thread


def _recover(folder: Path, keep_wal: bool) -> None:
    try:
        recover_folder(folder, keep_wal=keep_wal)
    except Exception:  # a thread's boundary: a damaged old session must not keep new ones from being recorded
        log.exception("recovery of %s failed", folder)
