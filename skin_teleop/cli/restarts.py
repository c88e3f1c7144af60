"""Which process of a rig may be started again when it dies, when, and how a recording goes on.

The skin, the server and the recorder move nothing by themselves. A hand node is never started again: the hand was made
safe, and a person looks at it before the rig is started anew; without the simulated world there is no simulated hand.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from skin_teleop.bus import CommandSender, Latest, RecorderFeed
from skin_teleop.messages import Event, RecorderCommand, RecorderStatus

RESTARTABLE = ("recorder", "skin", "second_skin", "server", "encoder")
WAITS_FOR_ITS_DEVICE = ("skin", "second_skin")
"""These serve with the first whole frame of a device that may be away, and go on dialling for as long as it takes."""
WINDOW_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0

logger = logging.getLogger(__name__)


class RestartPolicy:
    """Allows each process so many restarts a minute, after pauses that double. Time is injected."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._deaths_s: dict[str, list[float]] = {}

    def pause_s(self, name: str, now_s: float, hung_s: float = 0.0) -> float | None:
        """Note that a process died now; seconds until it may be started again, None when it may not.

        The last `hung_s`, in which it did not serve, take nothing of the minute: a process that hangs at every start
        would else never use its restarts up.
        """
        earlier = [death + hung_s for death in self._deaths_s.get(name, [])]
        deaths = [death for death in earlier if now_s - death < WINDOW_S]
        self._deaths_s[name] = [*deaths, now_s]
        if name not in RESTARTABLE or len(deaths) >= self._per_minute:
            return None
        pause: float = min(FIRST_PAUSE_S * 2 ** len(deaths), LONGEST_PAUSE_S)
        return pause


class RecordingKeeper:
    """Starts a new session when the recorder died in the middle of one, and tells the sessions of deaths.

    The session that was cut off is sealed by the new recorder, which recovers what it finds when it starts.
    """

    def __init__(self, runtime: Path) -> None:
        self._ready = runtime / "recorder.ready"
        self._status = Latest(runtime, "recorder", RecorderStatus)
        self._sender = CommandSender(runtime, "recorder")
        self._feed = RecorderFeed(runtime)
        self._newest = RecorderStatus("idle")
        self._again: RecorderCommand | None = None
        self._untold: list[Event] = []
        self._told = 0

    def died(self, name: str, exit_code: int, pause_s: float) -> None:
        """Note a death; of the recorder's too, whose last known status says what it was doing."""
        self._look()
        self._untold.append(
            Event.now("process_died", self._told, process=name, exit_code=exit_code, restarts_in_s=pause_s)
        )
        self._told += 1
        if name == "recorder" and self._newest.state == "recording":
            self._again = _same_again(Path(self._newest.session))
            self._newest = RecorderStatus("idle")

    def tend(self) -> None:
        """Start the recording that was cut off once the new recorder serves, then hand over what it should know."""
        self._look()
        if self._again is not None and self._ready.exists():
            logger.warning("the recorder serves again; a new session of %s begins", self._again.object or "no object")
            self._sender.send(self._again)
            self._again = None
        while self._untold and self._newest.state == "recording":
            self._feed.send(self._untold.pop(0), "events")

    def close(self) -> None:
        """Release every socket."""
        for part in (self._status, self._sender, self._feed):
            part.close()

    def _look(self) -> None:
        self._newest = self._status.take() or self._newest


def _same_again(session: Path) -> RecorderCommand:
    """The command that began a session, from what is written of it."""
    try:
        meta = json.loads((session / "session.json").read_text())
    except (OSError, ValueError):
        meta = {}
    return RecorderCommand(
        "start",
        folder=str(session.parent),
        object=str(meta.get("object", "")),
        plan=tuple(meta.get("plan", ())),
        operator=str(meta.get("operator", "anonymous")),
    )
