"""Reads the vendor's server in a thread of its own: connects, reconnects, parses, keeps the newest skin."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from drivers.uskin.hold import SkinHold
from drivers.uskin.server_clock import Reading, ServerClock
from drivers.uskin.server_frame import MAX_FRAME_BYTES, parse_server_frame
from skin_teleop.clock import mono_ns
from skin_teleop.errors import WireError

RETRY_S = 0.5
"""The vendor's own ROS client dials again this long after a loss."""
OPEN_TIMEOUT_S = 2.0
RECEIVE_TIMEOUT_S = 0.1
JOIN_S = 0.25
"""How long the node waits for the reader to leave; one that is just connecting ends with the process."""
SILENT_RECEIVES = 50
"""After 5 s without a frame the connection counts as lost: a cable can be pulled without the socket closing."""
MAX_NOTICES = 256
MAX_TEXT_CHARS = 200

log = logging.getLogger(__name__)


class SkinClient:
    """Feeds a SkinHold from a server's WebSocket; whoever reads `hold` takes `lock` first."""

    def __init__(self, url: str, hold: SkinHold, stop: threading.Event) -> None:
        self._url = url
        self._stop = stop
        self._connected_before = False
        self._loss_told = False
        self._thread = threading.Thread(target=self._serve, name="skin-reader", daemon=True)
        self.hold = hold
        self.lock = threading.Lock()
        self.notices: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_NOTICES)
        """Event names and facts for the node to record, oldest first."""
        self._clock = ServerClock()
        self.frames = 0
        self.malformed = 0

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def check(self, now_ns: int) -> None:
        """Nothing to look at once a second: a silent server is told by the connection and by the flags."""

    def clock_reading(self) -> Reading | None:
        """The server's clock beside ours, once a second; None when it sent nothing."""
        with self.lock:
            return self._clock.take()

    def join(self) -> None:
        """Wait until the thread has left; it does so soon after `stop` is set."""
        self._thread.join(JOIN_S)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(
                    self._url,
                    open_timeout=OPEN_TIMEOUT_S,
                    close_timeout=RECEIVE_TIMEOUT_S,
                    max_size=MAX_FRAME_BYTES,
                    compression=None,
                    ping_interval=None,
                    proxy=None,
                ) as connection:
                    self._tell_connected()
                    self._receive_all(connection)
            except (OSError, ValueError, WebSocketException) as error:  # ValueError: a host that is no name
                self._tell_loss(str(error) or type(error).__name__)
            self._stop.wait(RETRY_S)

    def _receive_all(self, connection: ClientConnection) -> None:
        silent = 0
        while not self._stop.is_set():
            try:
                text = connection.recv(timeout=RECEIVE_TIMEOUT_S, decode=False)
            except TimeoutError:
                silent += 1
                if silent >= SILENT_RECEIVES:
                    raise
                continue
            silent = 0
            self._take(text, mono_ns())

    def _take(self, text: bytes, received_ns: int) -> None:
        try:
            frame = parse_server_frame(text)
            if frame is None:
                return
            with self.lock:
                before = self.hold.message
                restarted = self.hold.take(frame, received_ns)
                self._clock.heard(frame.time_ns, received_ns)
        except WireError as error:
            self.malformed += 1
            if self.malformed == 1:
                log.warning("frame of %s ignored (from now on only counted): %s", self._url, error)
                self.notices.append(("rejected", {"cause": str(error)[:MAX_TEXT_CHARS]}))
            return
        self.frames += 1
        if restarted:
            log.warning("%s was restarted: its counter fell from %d to %d", self._url, before, frame.message)
            self.notices.append(("connected", {"cause": "server restarted", "from": before, "to": frame.message}))

    def _tell_connected(self) -> None:
        log.info("skin server %s connected", self._url)
        self._loss_told = False
        self._connected_before = True
        self.notices.append(("connected", {"url": self._url[:MAX_TEXT_CHARS]}))

    def _tell_loss(self, cause: str) -> None:
        if self._loss_told:
            return
        self._loss_told = True
        what = "lost" if self._connected_before else "not reachable"
        log.warning(
            "skin server %s %s (%s), trying again every %.1f s; frames %d, malformed %d. Is xela_server running there?",
            self._url,
            what,
            cause,
            RETRY_S,
            self.frames,
            self.malformed,
        )
        self.notices.append(("disconnected", {"url": self._url[:MAX_TEXT_CHARS], "cause": cause[:MAX_TEXT_CHARS]}))
