"""What every page is told of the recording, so that all of them offer the same: state, open mark, session to judge."""

from __future__ import annotations

from server.control import Discard, Keep, Mark, Recorder, RecordingOrder
from skin_teleop.clock import NS_PER_S, mono_ns
from skin_teleop.messages import RecorderStatus


class Recording:
    """Follows the recorder's news and the pages' orders; no socket here."""

    def __init__(self) -> None:
        self.status = RecorderStatus("idle", message="no word from the recorder yet")
        self._since_ns = 0
        self._marking = ""
        self._unjudged = False

    @property
    def news(self) -> Recorder:
        """What a page is told."""
        return Recorder(self.status, self._marking, self._unjudged and self.status.state == "idle")

    @property
    def session_s(self) -> float | None:
        """How long the recorder has been recording, or None while it does not."""
        return (mono_ns() - self._since_ns) / NS_PER_S if self.status.state == "recording" else None

    def hear(self, status: RecorderStatus) -> bool:
        """The recorder's newest status; True when a recording began with it."""
        before, self.status = self.status, status
        began = status.state == "recording" and (before.state != "recording" or before.session != status.session)
        if began:
            self._since_ns = mono_ns()
        if status.state == "recording":
            self._unjudged = True
        if began or status.state != "recording":
            self._marking = ""
        return began

    def obey(self, order: RecordingOrder) -> bool:
        """An order went to the recorder; True when pages are to be told of it before the recorder answers."""
        before = self.news
        match order:
            case Mark() if self.status.state == "recording":
                self._marking = order.label if order.edge == "begin" else ""
            case Keep() | Discard():
                self._unjudged = False
        return self.news != before
