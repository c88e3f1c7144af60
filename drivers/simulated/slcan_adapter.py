"""A serial CAN adapter (slcan) on a pseudo-terminal: text on one side, a python-can bus on the other.

It speaks the part of the Lawicel protocol that python-can uses: `C`, `S8` and `O` are accepted, `t` and `r` frames with
11-bit ids are carried both ways. What it does not model: the baud rate of the line, time stamps, error counters.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty

import can

POLL_S = 0.002
MAX_LINE_BYTES = 64


class SlcanAdapter:
    """Serves a pseudo-terminal from a thread, as a context manager; `port` is what an slcan user opens."""

    def __init__(self, bus: can.BusABC) -> None:
        self._bus = bus
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._line = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="slcan")
        self.port = os.ttyname(self._slave)
        self.rejected = 0
        """Lines that are no frame."""

    def __enter__(self) -> SlcanAdapter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._bus.shutdown()
        os.close(self._master)
        os.close(self._slave)

    def _serve(self) -> None:
        while not self._stop.is_set():
            if select.select([self._master], [], [], POLL_S)[0]:
                self._from_host(os.read(self._master, 4096))
            while (message := self._bus.recv(0)) is not None:
                with contextlib.suppress(BlockingIOError):  # a host that does not read loses frames, as on a real line
                    os.write(self._master, _text(message))

    def _from_host(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\r")
        self._line = self._line[:MAX_LINE_BYTES]
        for line in lines:
            if line[:1] in (b"t", b"r"):
                self._send(line)

    def _send(self, line: bytes) -> None:
        try:
            message = can.Message(
                arbitration_id=int(line[1:4], 16),
                is_extended_id=False,
                is_remote_frame=line[:1] == b"r",
                dlc=int(line[4:5]),
                data=None if line[:1] == b"r" else bytes.fromhex(line[5:].decode("ascii")),
                check=True,
            )
        except ValueError:
            self.rejected += 1
            return
        self._bus.send(message)


def _text(message: can.Message) -> bytes:
    kind = "r" if message.is_remote_frame else "t"
    return f"{kind}{message.arbitration_id:03X}{message.dlc}{bytes(message.data).hex().upper()}\r".encode()
