"""One operator's WebSocket from the first byte to the last."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging

from fastapi import WebSocket, WebSocketDisconnect

from server.access import CLOSE_REPLACED, Gate
from server.admission import admit, peer_of
from server.downlink import Downlink
from server.teleop import Teleop

log = logging.getLogger(__name__)

FIRST_PINGS, FIRST_PING_S, PING_S = 10, 0.05, 1.0
"""Ten quick exchanges give a first clock offset, then one a second follows its drift."""
REPLACED = "the same page connected again"
FAREWELL_S = 1.0
"""A dead connection takes no farewell."""


async def operator_session(websocket: WebSocket, teleop: Teleop, gate: Gate) -> None:
    """Judge the connection before reading a message of it, then serve it until either side closes."""
    operator = _Operator(websocket, teleop, gate)
    if await admit(websocket, functools.partial(gate.enter, give_up=operator.give_up)):
        await operator.serve()


class _Operator:
    """Whoever has the seat."""

    def __init__(self, websocket: WebSocket, teleop: Teleop, gate: Gate) -> None:
        self._websocket, self._teleop, self._gate = websocket, teleop, gate
        self._peer = peer_of(websocket)
        self._downlink = Downlink()
        self._reading: asyncio.Task[str] | None = None
        self._gone = False

    async def serve(self) -> None:
        """Say hello, and feed every message to the teleoperation."""
        teleop, downlink = self._teleop, self._downlink
        teleop.open(self._peer, downlink.post, lambda: teleop.audience.join(downlink, news=False))
        log.info("operator %s connected", self._peer)
        helpers = [asyncio.create_task(downlink.pump(self._websocket)), asyncio.create_task(_ask_for_clock(teleop))]
        self._reading = asyncio.create_task(_read(self._websocket, teleop))
        cause = "server stopped"
        try:
            cause = await self._reading
        except asyncio.CancelledError:
            if not self._gone:
                raise
        finally:
            replaced = self._gone
            self._leave(cause)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        if replaced:
            with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(FAREWELL_S):
                    await self._websocket.close(CLOSE_REPLACED, REPLACED)

    def give_up(self) -> None:
        """Leave the seat now; this connection is closed after it."""
        self._leave(REPLACED)
        if self._reading is not None:
            self._reading.cancel()

    def _leave(self, cause: str) -> None:
        """Once, or the seat of whoever came since would be freed."""
        if self._gone:
            return
        self._gone = True
        self._gate.leave()
        self._teleop.audience.leave(self._downlink)
        self._teleop.leave(cause)
        teleop = self._teleop
        log.info("operator %s gone (%s): %d poses, rejected %s", self._peer, cause, teleop.poses, teleop.rejected)


async def _read(websocket: WebSocket, teleop: Teleop) -> str:
    """Feed every message to `teleop`; returns why the connection ended."""
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return f"code {message.get('code')}"
            if message.get("bytes") is not None:
                teleop.receive_pose(message["bytes"])
            else:
                teleop.receive_control(message["text"])
    except WebSocketDisconnect as gone:
        return f"code {gone.code}"


async def _ask_for_clock(teleop: Teleop) -> None:
    for _ in range(FIRST_PINGS):
        teleop.ping()
        await asyncio.sleep(FIRST_PING_S)
    while True:
        teleop.ping()
        await asyncio.sleep(PING_S)
