"""The door of both sockets: judge a connection before a message of it is read, and tell a refused page why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from fastapi import WebSocket

from server.access import Refusal
from server.control import PROTOCOL

log = logging.getLogger(__name__)

Judge = Callable[[Sequence[str], str | None, str], Refusal | None]
"""Judges offered subprotocols, origin and peer, as `server.access.Gate` does."""


def peer_of(websocket: WebSocket) -> str:
    """Address of the other side."""
    return websocket.client.host if websocket.client else ""


async def admit(websocket: WebSocket, judge: Judge) -> bool:
    """Whether the connection may stay; one that may not is closed with the reason.

    It is accepted in any case: a page is told a reason only on an open socket.
    """
    offered: list[str] = websocket.scope.get("subprotocols", [])
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    refusal = judge(offered, websocket.headers.get("origin"), peer_of(websocket))
    if refusal is not None:
        log.warning("refused %s: %s", peer_of(websocket), refusal.reason)
        await websocket.close(refusal.code, refusal.reason)
    return refusal is None
