"""What the recorder says of itself, and since when it records."""

from __future__ import annotations

from skin_teleop.clock import NS_PER_S, mono_ns
from skin_teleop.messages import RecorderStatus


class Recording:
    """Follows the recorder's news; no socket here."""

    def __init__(self) -> None:
        self.status = RecorderStatus("idle", message="no word from the recorder yet")
        self._since_ns = 0

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
        return began
