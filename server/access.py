"""Who may open the operator's socket: the pairing token, the page's Origin, and the one controlling seat.

Browsers cannot set headers on a WebSocket, so the token travels as a second subprotocol beside the application's:
`["skin-teleop.v1", "token.<token>"]`. Only the first is ever echoed, so the token stays out of answers and logs.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.control import PROTOCOL
from server.pairing import Pairing
from skin_teleop.errors import AccessError

TOKEN_FILE = "pairing_token"
TOKEN_PREFIX = "token."
CLOSE_TOKEN, CLOSE_ORIGIN, CLOSE_SEAT, CLOSE_REPLACED = 4401, 4403, 4409, 4410
"""WebSocket close codes: HTTP's 401, 403, 409 and 410 in the range for applications."""
FOREIGN_PAGE = (
    "this page's origin is not in server.allowed_origins of the rig: open the address that skin-teleop up printed"
)
"""Fits into a close frame, whose reason is at most 123 bytes (RFC 6455, section 5.5)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is closed as soon as it is open."""

    code: int
    reason: str
    kind: str


def read_pairing_token(runtime: Path) -> str:
    """The token of a running rig; raises AccessError when there is none."""
    path = runtime / TOKEN_FILE
    token = path.read_text().strip() if path.is_file() else ""
    if not token:
        raise AccessError(
            "the pairing token of a rig was asked for", found=f"none in {runtime}", next_step="skin-teleop up"
        )
    return token


def subprotocols(token: str) -> list[str]:
    """What a client offers to open the socket."""
    return [PROTOCOL, TOKEN_PREFIX + token]


def own_origins(host: str, port: int, *, tls: bool = False, names: Iterable[str] = ()) -> frozenset[str]:
    """Origins of the pages that the server itself serves; `names` are further names and addresses of this machine."""
    known = {_in_address(name) for name in (host, "localhost", "127.0.0.1", "::1", *names)}
    return frozenset(f"{'https' if tls else 'http'}://{name}:{port}" for name in known)


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class Gate:
    """Judges every connection before a message of it is read, and counts refusals by kind."""

    def __init__(self, token: str, origins: frozenset[str]) -> None:
        self._token = token
        self._origins = origins
        self.pairing = Pairing(token)
        self.seat_taken = False
        self._holder = ""
        self._give_up: Callable[[], None] = _keep
        self.refused: dict[str, int] = {}

    def enter(
        self, offered: Sequence[str], origin: str | None, peer: str, give_up: Callable[[], None] | None = None
    ) -> Refusal | None:
        """Take the controlling seat (None), or say why not. Whoever got None calls `leave` in the end.

        `give_up` makes the holder call `leave` at once: it is called when the same paired page comes again, whose old
        connection may be dead without this side having noticed.
        """
        refusal = self._judge(offered, origin, peer)
        token = next(iter(_tokens(offered)), "")
        if refusal is None and self.seat_taken and token == self._holder and self.pairing.knows(token):
            self._give_up()
        if refusal is None and self.seat_taken:
            refusal = Refusal(CLOSE_SEAT, "another operator is in control of this rig", "seat")
        if refusal is None:
            self.seat_taken, self._holder, self._give_up = True, token, give_up or _keep
        return self._counted(refusal)

    def watch(self, offered: Sequence[str], origin: str | None, peer: str) -> Refusal | None:
        """Let a desk page in (None), or say why not; any number may watch."""
        return self._counted(self._judge(offered, origin, peer))

    def welcomes(self, origin: str | None) -> bool:
        """Whether a request comes from one of the server's own pages, or from no page at all."""
        return origin is None or origin in self._origins

    def knows(self, token: str) -> bool:
        """Whether a token is the rig's own or that of a paired browser."""
        return secrets.compare_digest(token.encode(errors="replace"), self._token.encode()) or self.pairing.knows(token)

    def _counted(self, refusal: Refusal | None) -> Refusal | None:
        if refusal is not None:
            self.refused[refusal.kind] = self.refused.get(refusal.kind, 0) + 1
        return refusal

    def leave(self) -> None:
        """Free the controlling seat."""
        self.seat_taken = False

    def _judge(self, offered: Sequence[str], origin: str | None, peer: str) -> Refusal | None:
        if origin is None and not is_loopback(peer):
            return Refusal(CLOSE_ORIGIN, "a program without an Origin may only connect from this machine", "origin")
        if origin is not None and origin not in self._origins:
            return Refusal(CLOSE_ORIGIN, FOREIGN_PAGE, "origin")
        if PROTOCOL not in offered:
            return Refusal(CLOSE_TOKEN, f"the subprotocol {PROTOCOL} was not offered", "subprotocol")
        if not self._knows_token(offered):
            return Refusal(CLOSE_TOKEN, "wrong pairing token: use the address that skin-teleop up printed", "token")
        return None

    def _knows_token(self, offered: Sequence[str]) -> bool:
        given = _tokens(offered)
        return len(given) == 1 and self.knows(given[0])


def _tokens(offered: Sequence[str]) -> list[str]:
    return [entry.removeprefix(TOKEN_PREFIX) for entry in offered if entry.startswith(TOKEN_PREFIX)]


def _keep() -> None:
    """A holder that does not give its seat up."""


def is_loopback(peer: str) -> bool:
    """Whether an address text is of this machine itself."""
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
