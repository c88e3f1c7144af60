"""A CAN bus between the processes of one host: python-can interface `skin_teleop_local`.

Every participant binds one Unix datagram socket in the channel's folder and sends each frame to all the others, so
no broker runs and nothing can leave the host or the account (the folder is private, mode 0700).

What it does not model: arbitration (frames arrive in the order in which they were sent, whatever their id), bit
timing and bus load (a frame takes no time on the wire), error frames, bus-off and ACK (sending to nobody succeeds).
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import select
import socket
import time
from collections import deque
from pathlib import Path

import can
from can.typechecking import CanFilters

from drivers.can_local.wire import WIRE_BYTES, pack_message, unpack_message
from skin_teleop.errors import DeviceError, WireError

RUNTIME_VARIABLE = "SKIN_TELEOP_RUNTIME"
QUEUE_FRAMES = 512
"""Frames kept for one slow receiver: about 0.2 s of a V4 hand's traffic. Linux itself queues only
`net.unix.max_dgram_qlen` datagrams (10 by default), which one late wake-up would overflow."""
FLUSH_S = 0.2
"""How long `shutdown` waits for slow receivers to take what was already sent."""
SETTLED_NS = 50_000_000
"""A folder's mtime advances in kernel ticks of up to 10 ms, so a fresher listing may have missed a change."""

log = logging.getLogger(__name__)


def channel_folder(runtime: Path, channel: str) -> Path:
    """Where the sockets of one channel live."""
    return runtime / f"can-{channel}"


class LocalCanBus(can.BusABC):
    """One participant of a local CAN channel; own frames are not received.

    A frame that a receiver has no room for is dropped and counted in `dropped`; sending never blocks.
    """

    def __init__(
        self,
        channel: str,
        can_filters: CanFilters | None = None,
        *,
        folder: str | Path | None = None,
        **kwargs: object,
    ) -> None:
        """Join a channel; `bitrate` and other options of real interfaces are accepted and ignored.

        Raises DeviceError when neither `folder` nor SKIN_TELEOP_RUNTIME says where the channel is, and
        can.CanInitializationError when its socket cannot be bound.
        """
        self.channel_info = f"skin_teleop_local {channel}"
        self.dropped = 0
        self._folder = Path(folder) if folder is not None else channel_folder(_runtime_folder(), channel)
        self._peers: dict[str, deque[bytes]] = {}
        self._listed_mtime_ns = -1
        self._listing_settled = False
        self._socket, self._path = _bind(self._folder)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        super().__init__(channel, can_filters, **kwargs)

    def fileno(self) -> int:
        """Descriptor that is readable while frames wait."""
        return self._socket.fileno()

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Send one classic frame to every other participant; `timeout` is ignored since it never waits.

        Raises can.CanOperationError when the bus is shut down or the frame is not a classic CAN frame.
        """
        if self._is_shutdown:
            raise can.CanOperationError("cannot send: this bus is shut down")
        frame = pack_message(msg, time.time_ns())
        self._refresh_peers()
        for path in list(self._peers):
            backlog = self._peers[path]
            if len(backlog) >= QUEUE_FRAMES:
                self.dropped += 1
            else:
                backlog.append(frame)
            self._flush(path)

    def shutdown(self) -> None:
        """Leave the channel: hand over what was sent, close and unlink the own socket."""
        if not self._is_shutdown:
            deadline = time.monotonic() + FLUSH_S
            while self._flush_all() and time.monotonic() < deadline:
                time.sleep(0.001)
            self._path.unlink(missing_ok=True)
            self._socket.close()
            if self.dropped:
                log.warning("%s: %d frames dropped, receivers were too slow", self.channel_info, self.dropped)
        super().shutdown()

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        if self._is_shutdown:
            raise can.CanOperationError("cannot receive: this bus is shut down")
        try:
            if not self._wait_readable(timeout):
                return None, False
            return unpack_message(self._socket.recv(WIRE_BYTES + 1), self.channel_info), False
        except WireError as error:
            log.warning("%s: datagram ignored: %s", self.channel_info, error)
            return None, False
        except OSError as error:
            raise can.CanOperationError(f"cannot receive on {self.channel_info}: {error}", error.errno) from error

    def _wait_readable(self, timeout_s: float | None) -> bool:
        """Wait for a frame; what a slow receiver has not taken yet is offered again every millisecond."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            backlog = self._flush_all()
            left_ms = max(0.0, deadline - time.monotonic()) * 1000
            wait_ms = min(left_ms, 1.0) if backlog else left_ms
            if self._readable.poll(None if math.isinf(wait_ms) else wait_ms):
                return True
            if time.monotonic() >= deadline:
                return False

    def _refresh_peers(self) -> None:
        try:
            mtime_ns = self._folder.stat().st_mtime_ns
            if mtime_ns == self._listed_mtime_ns and self._listing_settled:
                return
            self._listing_settled = time.time_ns() - mtime_ns > SETTLED_NS
            self._listed_mtime_ns = mtime_ns
            found = {str(path) for path in self._folder.glob("*.sock") if path != self._path}
        except OSError as error:
            raise can.CanOperationError(f"{self.channel_info}: the channel's folder is gone: {error}") from error
        self._peers = {path: self._peers.get(path, deque()) for path in sorted(found)}

    def _flush_all(self) -> int:
        """Offer every backlog again; returns how many frames still wait."""
        for path in [path for path, backlog in self._peers.items() if backlog]:
            self._flush(path)
        return sum(map(len, self._peers.values()))

    def _flush(self, path: str) -> None:
        backlog = self._peers[path]
        try:
            while backlog:
                self._socket.sendto(backlog[0], path)
                backlog.popleft()
        except BlockingIOError:
            return
        except (ConnectionRefusedError, FileNotFoundError):
            # Its process died without leaving: sockets are bound before they get their final name (see _bind).
            del self._peers[path]
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise can.CanOperationError(f"cannot send on {self.channel_info}: {error}", error.errno) from error


def _runtime_folder() -> Path:
    folder = os.environ.get(RUNTIME_VARIABLE, "")
    if not Path(folder).is_dir() or not folder:
        raise DeviceError(
            "a local CAN channel needs the runtime folder of a rig",
            found=f"{RUNTIME_VARIABLE}={folder!r}",
            allowed="an existing folder",
            next_step="start the rig with: skin-teleop up --rig simulated",
        )
    return Path(folder)


def _bind(folder: Path) -> tuple[socket.socket, Path]:
    """A socket bound in the folder; it takes its final name only once it answers, so a refusal means a dead peer."""
    name = f"{os.getpid():x}-{secrets.token_hex(3)}"
    hidden, final = folder / f".{name}", folder / f"{name}.sock"
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        bound.setblocking(False)
        bound.bind(str(hidden))
        hidden.rename(final)
    except OSError as error:
        bound.close()
        raise can.CanInitializationError(f"cannot bind a socket in {folder}: {error}", error.errno) from error
    return bound, final
