"""The client's clock beside ours, from ping and pong on the operator's socket (no socket and no clock here).

NTP's idea with three stamps: the client answers at once, so its reading belongs to the middle of our two. The error
is at most half the round trip; among the last exchanges the fastest half is trusted, and the median of their offsets.
"""

from __future__ import annotations

import collections
import statistics
from dataclasses import dataclass

from skin_teleop.clock import NS_PER_MS

REMEMBERED = 30
UNANSWERED = 32
STEP_NS = 20 * NS_PER_MS
"""Two exchanges that disagree by more than their round trips allow and this: the client's clock stepped. Far more than
crystals drift apart within the remembered half minute (below 2 ms at 50 ppm)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answered ping, all in ns."""

    t_client: int
    t_mono: int
    """Host CLOCK_MONOTONIC in the middle between ping and pong."""
    rtt: int


class ClockSync:
    """Pings under way and what the answered ones say."""

    def __init__(self) -> None:
        self._under_way: dict[int, int] = {}
        self._next_id = 0
        self._exchanges: collections.deque[Exchange] = collections.deque(maxlen=REMEMBERED)

    def ping(self, now_ns: int) -> int:
        """The id of a ping that is sent at `now_ns`; the oldest unanswered ones are forgotten."""
        self._next_id += 1
        self._under_way[self._next_id] = now_ns
        if len(self._under_way) > UNANSWERED:
            del self._under_way[min(self._under_way)]
        return self._next_id

    def pong(self, ping_id: int, t_client_ns: int, now_ns: int) -> Exchange | None:
        """The exchange that an answer received at `now_ns` completes; None when nobody asked."""
        sent_ns = self._under_way.pop(ping_id, None)
        if sent_ns is None:
            return None
        exchange = Exchange(t_client_ns, (sent_ns + now_ns) // 2, now_ns - sent_ns)
        if self._stepped(exchange):
            self._exchanges.clear()
        self._exchanges.append(exchange)
        return exchange

    def _stepped(self, exchange: Exchange) -> bool:
        """Whether the clock cannot be the one of the exchanges before: a headset's stands still while it sleeps."""
        offset_ns, rtt_ns = self.offset_ns, self.rtt_ns
        if offset_ns is None or rtt_ns is None:
            return False
        apart_ns = abs(exchange.t_client - exchange.t_mono - offset_ns)
        return apart_ns > (exchange.rtt + rtt_ns) // 2 + STEP_NS

    @property
    def offset_ns(self) -> int | None:
        """Client clock minus host monotonic clock, or None before the first answer."""
        fastest = self._fastest_half()
        return round(statistics.median(e.t_client - e.t_mono for e in fastest)) if fastest else None

    @property
    def rtt_ns(self) -> int | None:
        """Median round trip of the fastest half, or None before the first answer."""
        fastest = self._fastest_half()
        return round(statistics.median(e.rtt for e in fastest)) if fastest else None

    def _fastest_half(self) -> list[Exchange]:
        ordered = sorted(self._exchanges, key=lambda exchange: exchange.rtt)
        return ordered[: (len(ordered) + 1) // 2]
