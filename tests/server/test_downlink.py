"""What one page is told, in which order."""

from __future__ import annotations

import asyncio
from typing import Any

from server.control import Ack, FromServer, StateChanged, parse_from_server
from server.downlink import Downlink


class Socket:
    def __init__(self) -> None:
        self.sent: list[FromServer] = []

    async def send_text(self, text: str) -> None:
        self.sent.append(parse_from_server(text))


def said(*messages: FromServer) -> list[FromServer]:
    """What goes out when all of them were posted before the socket could take one."""

    async def pump() -> list[FromServer]:
        downlink, socket = Downlink(), Socket()
        anything: Any = socket
        for message in messages:
            downlink.post(message)
        pumping = asyncio.create_task(downlink.pump(anything))
        while not socket.sent:
            await asyncio.sleep(0)
        pumping.cancel()
        return socket.sent

    return asyncio.run(pump())


def test_an_ack_never_brings_back_the_state_before_a_change():
    changed = StateChanged("disarmed", "operator stopped in emergency", "push Disarm")
    sent = said(StateChanged("engaged", "dead-man held"), Ack(5, "engaged", "dead-man held", {"x": 1}), changed)
    assert sent[1] == changed
    assert sent[2] == Ack(5, "disarmed", "operator stopped in emergency", {"x": 1}, "push Disarm")
    assert len(sent) == 3


def test_a_newer_ack_replaces_the_older_with_its_own_state():
    sent = said(StateChanged("armed", "operator armed"), Ack(5, "armed", "", {}), Ack(6, "engaged", "held", {}))
    assert sent[1:] == [Ack(6, "engaged", "held", {})]
