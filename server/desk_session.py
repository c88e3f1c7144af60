"""One desk page's WebSocket: it watches, records, stops and may hold the dead-man; it never arms and never drives."""

from __future__ import annotations

import asyncio

from fastapi import WebSocket, WebSocketDisconnect

from server.access import Gate
from server.admission import admit
from server.downlink import Downlink
from server.teleop import Teleop


async def desk_session(websocket: WebSocket, teleop: Teleop, gate: Gate) -> None:
    """Judge the connection, then show it everything until either side closes."""
    if not await admit(websocket, gate.watch):
        return
    downlink = Downlink()
    teleop.greet(downlink.post)
    teleop.audience.join(downlink, news=True)
    pump = asyncio.create_task(downlink.pump(websocket))
    try:
        await _read(websocket, teleop, downlink)
    finally:
        teleop.audience.leave(downlink)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _read(websocket: WebSocket, teleop: Teleop, downlink: Downlink) -> None:
    try:
        while True:
            teleop.receive_desk(await websocket.receive_text(), downlink.post)
    except (WebSocketDisconnect, KeyError):
        return
