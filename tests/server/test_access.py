"""Who may open the operator's socket."""

from __future__ import annotations

import pytest

from server.access import CLOSE_ORIGIN, CLOSE_SEAT, CLOSE_TOKEN, Gate, own_origins, read_pairing_token, subprotocols
from skin_teleop.errors import AccessError

TOKEN = "s3cret_-token"
PAGE = "http://127.0.0.1:8040"


@pytest.fixture
def gate() -> Gate:
    return Gate(TOKEN, own_origins("127.0.0.1", 8040) | {"https://lab.example"})


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:8040", "http://[::1]:8040", "https://lab.example"])
def test_the_servers_own_pages_and_the_allowed_ones_enter(gate, origin):
    assert gate.enter(subprotocols(TOKEN), origin, "192.168.1.5") is None


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
def test_a_program_enters_from_this_machine(gate, peer):
    assert gate.enter(subprotocols(TOKEN), None, peer) is None


@pytest.mark.parametrize(
    ("offered", "origin", "peer", "code", "kind"),
    [
        (subprotocols(TOKEN), None, "192.168.1.5", CLOSE_ORIGIN, "origin"),
        (subprotocols(TOKEN), None, "", CLOSE_ORIGIN, "origin"),
        (subprotocols(TOKEN), "http://127.0.0.1:8041", "127.0.0.1", CLOSE_ORIGIN, "origin"),
        (subprotocols(TOKEN), "https://127.0.0.1:8040", "127.0.0.1", CLOSE_ORIGIN, "origin"),
        (subprotocols(TOKEN), "http://lab.example", "127.0.0.1", CLOSE_ORIGIN, "origin"),
        (subprotocols(TOKEN), "", "127.0.0.1", CLOSE_ORIGIN, "origin"),
        (subprotocols(TOKEN[:-1]), PAGE, "127.0.0.1", CLOSE_TOKEN, "token"),
        (subprotocols(""), PAGE, "127.0.0.1", CLOSE_TOKEN, "token"),
        (subprotocols("é"), PAGE, "127.0.0.1", CLOSE_TOKEN, "token"),
        ([*subprotocols(TOKEN), "token.guess"], PAGE, "127.0.0.1", CLOSE_TOKEN, "token"),
        (["skin-teleop.v1"], PAGE, "127.0.0.1", CLOSE_TOKEN, "token"),
        (["skin-teleop.v2", "token." + TOKEN], PAGE, "127.0.0.1", CLOSE_TOKEN, "subprotocol"),
    ],
)
def test_others_do_not(gate, offered, origin, peer, code, kind):
    refusal = gate.enter(offered, origin, peer)
    assert refusal is not None
    assert (refusal.code, refusal.kind) == (code, kind)
    assert len(refusal.reason.encode()) <= 123  # RFC 6455: what fits beside the code in a close frame
    assert gate.refused == {kind: 1}
    assert not gate.seat_taken


def test_one_operator_at_a_time(gate):
    assert gate.enter(subprotocols(TOKEN), PAGE, "127.0.0.1") is None
    second = gate.enter(subprotocols(TOKEN), PAGE, "127.0.0.1")
    assert second is not None and second.code == CLOSE_SEAT
    gate.leave()
    assert gate.enter(subprotocols(TOKEN), PAGE, "127.0.0.1") is None


def test_a_paired_page_that_comes_again_takes_its_own_seat_and_nobody_elses(gate):
    page, other = (gate.pairing.redeem(gate.pairing.invite().token) for _ in range(2))
    given_up: list[str] = []

    def give_up() -> None:
        given_up.append("once")
        gate.leave()

    assert gate.enter(subprotocols(page), PAGE, "127.0.0.1", give_up) is None
    for stranger in (other, TOKEN):  # programs share the rig's own token
        refusal = gate.enter(subprotocols(stranger), PAGE, "127.0.0.1")
        assert refusal is not None and refusal.code == CLOSE_SEAT
    assert given_up == []
    assert gate.enter(subprotocols(page), PAGE, "127.0.0.1") is None
    assert (given_up, gate.seat_taken) == (["once"], True)


def test_the_token_is_read_from_the_runtime_folder(runtime):
    (runtime / "pairing_token").write_text(TOKEN + "\n")
    assert read_pairing_token(runtime) == TOKEN


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_missing_or_empty_token_is_an_error_that_says_what_to_do(runtime, content):
    if content is not None:
        (runtime / "pairing_token").write_text(content)
    with pytest.raises(AccessError, match=r"pairing token of a rig was asked for.*next: skin-teleop up"):
        read_pairing_token(runtime)
