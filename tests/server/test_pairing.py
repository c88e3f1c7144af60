"""Invitations work once, session tokens outlive the server, and guesses get nowhere."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from server.access import CLOSE_TOKEN, Gate, own_origins, subprotocols
from server.invitations import ask_for_invitation
from server.pairing import MOST_WRONG_CODES, VALID_FOR_NS, Pairing
from skin_teleop.errors import AccessError, DeviceError


class Clock:
    ns = 0

    def __call__(self) -> int:
        return self.ns


@pytest.mark.parametrize("way", ["token", "code"])
def test_an_invitation_is_exchanged_once(way):
    pairing = Pairing("rig")
    invitation = pairing.invite()
    session = pairing.redeem(getattr(invitation, way))
    assert pairing.knows(session)
    with pytest.raises(AccessError, match=r"used already.*next: press `Pair a headset`"):
        pairing.redeem(invitation.token)
    with pytest.raises(AccessError, match="not known or too old"):
        pairing.redeem(invitation.code)


def test_a_session_token_is_known_after_a_restart_of_the_same_rig_only():
    pairing = Pairing("rig")
    session = pairing.redeem(pairing.invite().token)
    assert Pairing("rig").knows(session)
    assert not Pairing("another rig").knows(session)


@pytest.mark.parametrize("forged", ["", ".", "nonce.", "nonce.00", ".abc", "é.ü", "x" * 10_000])
def test_forged_session_tokens_are_not_known(forged):
    assert not Pairing("rig").knows(forged)


def test_an_invitation_grows_old():
    clock = Clock()
    pairing = Pairing("rig", clock)
    invitation = pairing.invite()
    clock.ns = VALID_FOR_NS + 1
    with pytest.raises(AccessError, match="not known or too old"):
        pairing.redeem(invitation.token)


def test_guessing_withdraws_every_invitation():
    pairing = Pairing("rig")
    invitation = pairing.invite()
    for _ in range(MOST_WRONG_CODES):
        with pytest.raises(AccessError, match="not known"):
            pairing.redeem("a guess")
    with pytest.raises(AccessError, match="not known"):
        pairing.redeem(invitation.token)
    assert pairing.knows(pairing.redeem(pairing.invite().token))


def test_the_gate_knows_paired_browsers():
    gate = Gate("rig", own_origins("127.0.0.1", 8040))
    page = "http://localhost:8040"
    session = gate.pairing.redeem(gate.pairing.invite().token)
    assert gate.enter(subprotocols(session), page, "127.0.0.1") is None
    assert gate.watch(subprotocols(session), page, "127.0.0.1") is None
    refusal = gate.watch(subprotocols(session + "0"), page, "127.0.0.1")
    assert refusal is not None and refusal.code == CLOSE_TOKEN


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_pairing_over_http(served):
    base = f"http://127.0.0.1:{served.rig.server.port}/"
    invited = ask_for_invitation(base, "a-test-token")
    status, answer = post(base + "api/pair", json.dumps({"token": invited.token}).encode())
    assert status == 200
    status, again = post(base + "api/pair", json.dumps({"token": invited.token}).encode())
    assert status == 403 and "used already" in again["reason"]
    status, more = post(base + "api/invite", b"", Authorization=f"Bearer {answer['session']}")
    assert status == 200 and len(more["code"]) == 6


@pytest.mark.parametrize(
    ("path", "body", "headers", "reason"),
    [
        ("api/pair", b"{}", {}, "JSON with a token"),
        ("api/pair", b"[", {}, "JSON with a token"),
        ("api/pair", b"x" * 1000, {}, "more than 256 bytes"),
        ("api/pair", b'{"token":"x"}', {"Origin": "https://elsewhere.example"}, "origin"),
        ("api/invite", b"", {}, "only a paired page"),
        ("api/invite", b"", {"Authorization": "Bearer guess"}, "only a paired page"),
        ("api/invite", b"", {"Authorization": "Bearer a-test-token", "Origin": "https://e.example"}, "only a paired"),
    ],
)
def test_strangers_do_not_pair(served, path, body, headers, reason):
    status, answer = post(f"http://127.0.0.1:{served.rig.server.port}/{path}", body, **headers)
    assert status == 403
    assert reason in answer["reason"]


def test_a_wrong_rig_token_invites_nobody(served):
    with pytest.raises(DeviceError, match=r"an invitation was asked of the server.*403"):
        ask_for_invitation(f"http://127.0.0.1:{served.rig.server.port}/", "guess")
