"""One operator's WebSocket from the first byte to the last."""

from __future__ import annotations

import asyncio
import logging

from fastapi import WebSocket, WebSocketDisconnect

from server.access import Gate
from server.control import PROTOCOL
from server.downlink import Downlink
from server.teleop import Teleop

log = logging.getLogger(__name__)

FIRST_PINGS, FIRST_PING_S, PING_S = 10, 0.05, 1.0
"""Ten quick exchanges give a first clock offset, then one a second follows its drift."""


async def operator_session(websocket: WebSocket, teleop: Teleop, gate: Gate) -> None:
    """Judge the connection before reading a message of it, then serve it until either side closes.

    It is accepted in any case: a page is told a reason only on an open socket.
    """
    offered: list[str] = websocket.scope.get("subprotocols", [])
    peer = websocket.client.host if websocket.client else ""
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    refusal = gate.enter(offered, websocket.headers.get("origin"), peer)
    if refusal is not None:
        log.warning("refused %s: %s", peer, refusal.reason)
        await websocket.close(refusal.code, refusal.reason)
        return
    cause = "server stopped"
    downlink = Downlink()
    helpers = _greet(websocket, teleop, peer, downlink)
    try:
        cause = await _read(websocket, teleop)
    finally:
        gate.leave()
        teleop.audience.leave(downlink)
        teleop.leave(cause)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        log.info("operator %s gone (%s): %d poses, rejected %s", peer, cause, teleop.poses, teleop.rejected)


def _greet(websocket: WebSocket, teleop: Teleop, peer: str, downlink: Downlink) -> list[asyncio.Task[None]]:
    """Say hello; returns the tasks that send on the downlink."""
    teleop.open(peer, downlink.post, lambda: teleop.audience.join(downlink, news=False))
    log.info("operator %s connected", peer)
    return [asyncio.create_task(downlink.pump(websocket)), asyncio.create_task(_ask_for_clock(teleop))]


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
