"""Brings a log to the disk beside the recording: `fdatasync` in a thread of its own, never in the sample loop."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

log = logging.getLogger(__name__)


class LogSync(threading.Thread):
    """Syncs the open log file periodically, and finishes and closes the files that were rotated out.

    A failing disk shows in `failure`; the writer raises it at its next batch.
    """

    def __init__(self, folder: Path, period_s: float) -> None:
        super().__init__(name="log-sync", daemon=True)
        self.failure: OSError | None = None
        self._folder = folder
        self._period_s = period_s
        self._current: int | None = None
        self._retired: list[int] = []
        self._directory_changed = False
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def watch(self, descriptor: int) -> None:
        """Sync this file from now on; the one before is finished and closed. Only this thread closes descriptors."""
        with self._lock:
            if self._current is not None:
                self._retired.append(self._current)
            self._current = descriptor
            self._directory_changed = True

    def run(self) -> None:
        """Sync until closed, then finish every file. The period counts from the beginning of a sync to the next."""
        begun_s = time.monotonic()
        while not self._closing.wait(max(0.0, begun_s + self._period_s - time.monotonic())):
            begun_s = time.monotonic()
            self._guarded_sync()
        with self._lock:
            if self._current is not None:
                self._retired.append(self._current)
            self._current = None
        self._guarded_sync()

    def close(self) -> None:
        """Bring everything to the disk and close the files."""
        self._closing.set()
        self.join()

    def _guarded_sync(self) -> None:
        try:
            self._sync()
        except OSError as error:
            log.exception("the log in %s could not be synced", self._folder)
            self.failure = error

    def _sync(self) -> None:
        with self._lock:
            current, retired, changed = self._current, self._retired, self._directory_changed
            self._retired, self._directory_changed = [], False
        for descriptor in retired:
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if current is not None:
            os.fdatasync(current)
        if changed:
            sync_folder(self._folder)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries (new, renamed and removed names) to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
