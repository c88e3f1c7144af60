"""The message bus of one rig: ZeroMQ over Unix sockets inside the rig's runtime folder.

Three roads, by how much a loss matters:

* `Publisher` / `Latest`: newest wins; a slow reader skips values and never slows a writer. `Following` reads them all.
* `RecorderFeed`: bounded, non-blocking, in batches; what does not fit is counted, told to the recorder and stored.
* `CommandSender` / `CommandInbox`: never dropped while both ends live.

The runtime folder is private to the user (mode 0700), so nothing leaves the machine or the account.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, cast

import zmq

from skin_teleop.clock import NS_PER_MS, NS_PER_S, mono_ns
from skin_teleop.errors import BusError, WireError
from skin_teleop.frames import decode, encode, frame_head
from skin_teleop.messages import DropCount, Message, MessageType, Sample

FEED_BATCH_MS = 20
"""Rows wait at most this long in their producer: a part of the 100 ms that a killed recorder may cost."""
FEED_BATCH_BYTES = 64 << 10
"""Most bytes that wait for a batch; a rig's rows of 20 ms are a tenth of it."""
FEED_CLOSE_MS = 200
"""How long a producer that ends waits for room on the road, and then for what is under way."""
FEED_QUEUE = 1000
"""Frames a producer may have under way to the recorder: 10 s of two streams, 64 MB at most."""
PUBLISHER_QUEUE = 1000
"""Messages under way to one reader. ZeroMQ drops the newest when it is full, so it holds seconds, not moments."""
FOLLOWED = 100
"""Messages that wait for a reader of all of them: 1 s of the skin."""
MAX_SOCKET_PATH_BYTES = 100
"""Linux limits a Unix socket path to 107 bytes; ZeroMQ adds a few."""

log = logging.getLogger(__name__)


def endpoint(runtime: Path, name: str) -> str:
    """ZeroMQ address of a named socket; raises BusError when the folder's path is too long for a Unix socket."""
    path = runtime / name
    if len(str(path).encode()) > MAX_SOCKET_PATH_BYTES:
        raise BusError(
            f"socket {name} needs a short path",
            found=f"{path} ({len(str(path))} characters)",
            allowed=f"at most {MAX_SOCKET_PATH_BYTES}",
            next_step="set TMPDIR to a short folder",
        )
    return f"ipc://{path}"


def announce_ready(runtime: Path, process: str) -> None:
    """Say that a process serves: its sockets are bound and its devices answer."""
    (runtime / f"{process}.ready").touch()


class Publisher:
    """Sends newest-wins messages to whoever listens; never blocks."""

    def __init__(self, runtime: Path, process: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, PUBLISHER_QUEUE)
        self._socket.bind(endpoint(runtime, f"{process}.pub"))

    def send(self, message: Message, stream: str = "") -> None:
        """Publish one message under its stream name."""
        self._socket.send(encode(message, stream), zmq.NOBLOCK)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


class Latest(Generic[MessageType]):
    """The newest message of one type and stream from one process."""

    def __init__(self, runtime: Path, process: str, kind: type[MessageType], stream: str = "") -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.CONFLATE, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, frame_head(kind.__name__, stream))
        self._socket.connect(endpoint(runtime, f"{process}.pub"))

    def take(self, timeout_ms: int = 0) -> MessageType | None:
        """The newest message that was not taken yet, or None after the timeout."""
        if not self._socket.poll(timeout_ms):
            return None
        message, _ = decode(self._socket.recv())
        return cast(MessageType, message)

    @property
    def fileno(self) -> int:
        """Descriptor that becomes readable when ZeroMQ has events (edge triggered)."""
        return int(self._socket.getsockopt(zmq.FD))

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


class Following(Generic[MessageType]):
    """Every message of one type and stream from one process, in order; for a reader that must not miss any.

    Where the reader stays away for longer than `FOLLOWED` messages, the newest ones are lost to it: their stamps and
    counters show the hole.
    """

    def __init__(self, runtime: Path, process: str, kind: type[MessageType], stream: str = "") -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, FOLLOWED)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, frame_head(kind.__name__, stream))
        self._socket.connect(endpoint(runtime, f"{process}.pub"))
        self.rejected = 0

    def take(self, timeout_ms: int = 0) -> list[MessageType]:
        """All messages that wait, or the first ones within the timeout; malformed ones are counted in `rejected`."""
        messages: list[MessageType] = []
        waiting = self._socket.poll(timeout_ms)
        while waiting and len(messages) < FOLLOWED:
            try:
                messages.append(cast(MessageType, decode(self._socket.recv())[0]))
            except WireError:
                self.rejected += 1
            waiting = self._socket.poll(0)
        return messages

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


class RecorderFeed:
    """A producer's road to the recorder: bounded, non-blocking, drops counted per stream and reported.

    Rows travel in batches: the rows of one stream that are handed over within `FEED_BATCH_MS` share a frame, in their
    order. A thread sends them at every multiple of that period of CLOCK_MONOTONIC, in all processes of a rig at the
    same moment, so that the recorder wakes once for all of them. An event goes at once, and all that waits before it.
    """

    def __init__(self, runtime: Path) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, FEED_QUEUE)
        self._socket.setsockopt(zmq.LINGER, FEED_CLOSE_MS)
        self._socket.connect(endpoint(runtime, "recorder.pull"))
        self.dropped: dict[str, int] = {}
        self._untold: list[str] = []
        self._waiting: dict[bytes, list[bytes]] = {}
        """Head of a frame (type NUL stream NUL) to the packed rows that wait for it."""
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sender = threading.Thread(target=self._send_on_time, name="recorder-feed", daemon=True)
        self._sender.start()

    def send(self, message: Message, stream: str = "") -> bool:
        """Hand a message over without waiting; False when it was dropped (and counted)."""
        if not isinstance(message, Sample):
            with self._lock:
                return self._offer(encode(message, stream))
        head, row = frame_head(type(message).__name__, stream), message.pack()
        with self._lock:
            if self._waiting_bytes + len(row) > FEED_BATCH_BYTES and not self._send_waiting():
                self._count_drop(stream)
                return False
            self._waiting.setdefault(head, []).append(row)
            self._waiting_bytes += len(row)
            if not message.NEWEST_WINS:
                self._send_waiting()
        return True

    def _count_drop(self, stream: str) -> None:
        self.dropped[stream] = self.dropped.get(stream, 0) + 1
        if stream not in self._untold:
            self._untold.append(stream)

    def _send_on_time(self) -> None:
        period_ns = FEED_BATCH_MS * NS_PER_MS
        while not self._closing.wait((period_ns - mono_ns() % period_ns) / NS_PER_S):
            with self._lock:
                self._send_waiting()

    def _send_waiting(self) -> bool:
        """Offer all that waits, a frame a stream; False when the road is full and some of it goes on waiting."""
        while self._untold:
            if not self._offer(encode(DropCount(self._untold[-1], self.dropped[self._untold[-1]]))):
                return False
            self._untold.pop()
        for head in list(self._waiting):
            rows = b"".join(self._waiting[head])
            if not self._offer(head + rows):
                return False
            del self._waiting[head]
            self._waiting_bytes -= len(rows)
        return True

    def _offer(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Send what waits, for up to 200 ms, count and log what then is left, and release the socket.

        What is under way by then has 200 ms more to be taken, and is lost uncounted where nobody takes it.
        """
        self._closing.set()
        self._sender.join()
        give_up_ns = mono_ns() + FEED_CLOSE_MS * NS_PER_MS
        while not self._send_waiting():
            left_ms = (give_up_ns - mono_ns()) // NS_PER_MS
            if left_ms <= 0 or not self._socket.poll(left_ms, zmq.POLLOUT):
                self._drop_waiting()
                break
        self._socket.close()

    def _drop_waiting(self) -> None:
        for stream in self._untold:
            log.warning("the recorder was not told that %d rows of %s were dropped", self.dropped[stream], stream)
        for head, rows in self._waiting.items():
            stream = head.split(b"\0")[1].decode()
            self.dropped[stream] = self.dropped.get(stream, 0) + len(rows)
            log.warning("the recorder took no more: the last %d rows of %s are lost", len(rows), stream)
        self._waiting.clear()


class CommandSender:
    """Sends commands to one process; never dropped while both ends live."""

    def __init__(self, runtime: Path, process: str) -> None:
        self._process = process
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.connect(endpoint(runtime, f"{process}.cmd"))

    def send(self, message: Message) -> None:
        """Queue a command; raises BusError when the process has not taken 1000 earlier ones."""
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again as error:
            raise BusError(
                f"cannot send {type(message).__name__} to the {self._process} process",
                found="its queue is full",
            ) from error

    def close(self) -> None:
        """Flush for up to 500 ms and release the socket."""
        self._socket.close()


class CommandInbox:
    """Where a process receives its commands; malformed ones are counted in `rejected`."""

    def __init__(self, runtime: Path, process: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(endpoint(runtime, f"{process}.cmd"))
        self.rejected = 0

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a command waits or the time is over; whether one waits."""
        return bool(zmq.zmq_poll([(self._socket, zmq.POLLIN)], round(timeout_s * 1000)))

    def drain(self) -> Iterator[Message]:
        """Every command waiting now."""
        while int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            try:
                message, _ = decode(self._socket.recv())
            except WireError:
                self.rejected += 1
                continue
            yield message

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()
