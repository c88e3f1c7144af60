"""Everybody who watches: the operator in the headset and the desk pages see the same hand."""

from __future__ import annotations

from server.control import FromServer
from server.downlink import Downlink


class Audience:
    """The downlinks that want to see what happens; nobody in it can slow the server down."""

    def __init__(self) -> None:
        self._watching: dict[Downlink, bool] = {}

    def __len__(self) -> int:
        return len(self._watching)

    @property
    def desk_pages(self) -> int:
        """How many pages watch that are not the operator's."""
        return sum(self._watching.values())

    def join(self, downlink: Downlink, *, news: bool) -> None:
        """Begin to watch; `news` adds what the operator's own session is told already (state, recorder)."""
        self._watching[downlink] = news

    def leave(self, downlink: Downlink) -> None:
        """Watch no longer."""
        self._watching.pop(downlink, None)

    def tell_news(self, message: FromServer) -> None:
        """Post a message to those who asked for news."""
        for downlink, news in self._watching.items():
            if news:
                downlink.post(message)

    def tell(self, message: FromServer) -> None:
        """Post a message to everybody."""
        for downlink in self._watching:
            downlink.post(message)

    def show(self, picture: bytes) -> None:
        """Offer the newest display frame to everybody."""
        for downlink in self._watching:
            downlink.show(picture)
