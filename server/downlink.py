"""What the server says to one page: status and pictures are newest-wins, everything else is sent in order."""

from __future__ import annotations

import asyncio
import collections

import msgspec
from fastapi import WebSocket

from server.control import Ack, CalibrationProgress, FromServer, Recorder, StateChanged, Status, encode_control

LONGEST_QUEUE = 256
"""A client that does not read loses the oldest messages; it is released by its ack lag long before."""


class Downlink:
    """Messages on their way to one client; `post` never waits."""

    def __init__(self) -> None:
        self._in_order: collections.deque[FromServer] = collections.deque(maxlen=LONGEST_QUEUE)
        self._newest: dict[type, FromServer] = {}
        self._picture: bytes | None = None
        self._wake = asyncio.Event()

    def post(self, message: FromServer) -> None:
        """Queue a message; an unsent ack, status or progress is replaced by the newer one."""
        if isinstance(message, Ack | Recorder | Status | CalibrationProgress):
            self._newest[type(message)] = message
        else:
            self._in_order.append(message)
        if isinstance(message, StateChanged) and isinstance(ack := self._newest.get(Ack), Ack):
            # It is sent after this change and must not bring the state before it back.
            news = {"state": message.state, "reason": message.reason, "stopped": message.stopped}
            self._newest[Ack] = msgspec.structs.replace(ack, **news)
        self._wake.set()

    def show(self, picture: bytes) -> None:
        """Offer a display frame; an unsent one is replaced."""
        self._picture = picture
        self._wake.set()

    async def pump(self, websocket: WebSocket) -> None:
        """Send what is posted until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, picture = [*self._in_order, *self._newest.values()], self._picture
            self._picture = None
            self._in_order.clear()
            self._newest.clear()
            for message in waiting:
                await websocket.send_text(encode_control(message))
            if picture is not None:
                await websocket.send_bytes(picture)
