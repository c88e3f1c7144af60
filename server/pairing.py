"""Pairing a browser: an invitation works once, and is exchanged for a session token that outlives a server restart.

An invitation is a random token, carried in the fragment of an address (which browsers never send), and a short code
to type where nothing can be scanned. A session token is a nonce signed with the rig's own pairing token, so a server
that was restarted on the same rig still knows it, and nothing has to be stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from skin_teleop.clock import NS_PER_S, mono_ns
from skin_teleop.errors import AccessError

VALID_FOR_NS = 1800 * NS_PER_S
MOST_INVITATIONS = 16
MOST_WRONG_CODES = 10
"""After so many wrong guesses in a row every open invitation is withdrawn: six digits never face a search."""
HOW_TO_GET_ONE = "press `Pair a headset` on the desk page, or start skin-teleop up again"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a person hands to a browser."""

    token: str
    code: str
    """Six digits."""
    expires_ns: int


class Pairing:
    """Open invitations of one rig; times are monotonic, ns."""

    def __init__(self, rig_token: str, now_ns: Callable[[], int] = mono_ns) -> None:
        self._key = rig_token.encode()
        self._now_ns = now_ns
        self._open: list[Invitation] = []
        self._used: list[str] = []
        self._wrong = 0

    def invite(self) -> Invitation:
        """A new invitation; the oldest is withdrawn where there are too many."""
        invitation = Invitation(
            secrets.token_urlsafe(18), f"{secrets.randbelow(10**6):06d}", self._now_ns() + VALID_FOR_NS
        )
        self._open = [*self._open, invitation][-MOST_INVITATIONS:]
        return invitation

    def redeem(self, given: str) -> str:
        """The session token for an invitation's token or code; raises AccessError with the reason for a page."""
        now_ns = self._now_ns()
        self._open = [i for i in self._open if i.expires_ns > now_ns]
        for invitation in self._open:
            if _same(given, invitation.token) or _same(given, invitation.code):
                self._open.remove(invitation)
                self._used = [*self._used, invitation.token][-MOST_INVITATIONS:]
                self._wrong = 0
                return self._session_token()
        if any(_same(given, used) for used in self._used):
            raise AccessError("this invitation was used already", next_step=HOW_TO_GET_ONE)
        self._wrong += 1
        if self._wrong >= MOST_WRONG_CODES:
            self._open, self._wrong = [], 0
        raise AccessError("this invitation is not known or too old", next_step=HOW_TO_GET_ONE)

    def knows(self, session_token: str) -> bool:
        """Whether a session token was signed by this rig."""
        nonce, _, signature = session_token.partition(".")
        return bool(nonce) and _same(signature, self._sign(nonce))

    def _session_token(self) -> str:
        nonce = secrets.token_urlsafe(12)
        return f"{nonce}.{self._sign(nonce)}"

    def _sign(self, nonce: str) -> str:
        return hmac.new(self._key, f"session {nonce}".encode(), hashlib.sha256).hexdigest()


def _same(given: str, known: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), known.encode())
