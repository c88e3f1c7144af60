"""What the server does every few milliseconds: watch, and show the audience the hand and the state of things."""

from __future__ import annotations

from server.control import Status
from server.display import Display
from server.reporter import Reporter
from server.teleop import Teleop
from skin_teleop.clock import NS_PER_MS, mono_ns

REPORT_PERIOD_NS = 500 * NS_PER_MS


class Stage:
    """Runs on the event loop and never blocks it."""

    def __init__(self, teleop: Teleop, display: Display, reporter: Reporter) -> None:
        self._teleop = teleop
        self._display = display
        self._reporter = reporter
        self._report_due_ns = 0
        teleop.take_rest = display.take_rest

    def tick(self) -> None:
        """Watch the operator; show what is due to whoever watches."""
        self._teleop.tick()
        now_ns = mono_ns()
        picture = self._display.frame_at(now_ns)
        if picture is not None:
            self._teleop.audience.show(picture)
        if now_ns >= self._report_due_ns and len(self._teleop.audience):
            self._report_due_ns = now_ns + REPORT_PERIOD_NS
            self._teleop.audience.tell(Status(self._reporter.report()))

    def close(self) -> None:
        """Release the display's sockets."""
        self._display.close()
