"""One desk page's WebSocket: it watches, records, stops and may hold the dead-man; it never arms and never drives."""

from __future__ import annotations

import asyncio
import logging

from fastapi import WebSocket, WebSocketDisconnect

from server.access import Gate
from server.control import PROTOCOL, Hello, Recorder
from server.downlink import Downlink
from server.teleop import Teleop

log = logging.getLogger(__name__)


async def desk_session(websocket: WebSocket, teleop: Teleop, gate: Gate) -> None:
    """Judge the connection, then show it everything until either side closes."""
    offered: list[str] = websocket.scope.get("subprotocols", [])
    peer = websocket.client.host if websocket.client else ""
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    refusal = gate.watch(offered, websocket.headers.get("origin"), peer)
    if refusal is not None:
        log.warning("refused the desk page of %s: %s", peer, refusal.reason)
        await websocket.close(refusal.code, refusal.reason)
        return
    downlink = Downlink()
    rig = teleop.rig
    both = len(rig.hands) > 1
    downlink.post(Hello(PROTOCOL, "webxr-25", rig.server.driven_hand, rig.name, teleop.state.state.word, both))
    downlink.post(Recorder(teleop.recorder_status))
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
