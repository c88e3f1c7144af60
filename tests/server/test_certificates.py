"""The machine's own certificate authority: made once, private, renewed where needed, trusted by a real TLS client."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from websockets.asyncio.server import ServerConnection, serve

from server.certificates import Identity, machine_identity, machine_names, trusting_this_machine
from server.invitations import ask_for_invitation
from server.operator_client import OperatorClient
from skin_teleop.errors import AccessError, DeviceError

NAMES = ("localhost", "127.0.0.1", "lab.local", "192.168.7.20")


@pytest.fixture
def identity(tmp_path) -> Identity:
    return machine_identity(tmp_path / "tls", NAMES)


def test_keys_are_private(identity):
    folder = identity.key.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ("ca.crt", "ca.key", "server.crt", "server.key"), 0o600
    )


def test_the_authority_stays_and_the_leaf_stays_while_it_fits(identity):
    before = identity.authority.read_bytes(), identity.certificate.read_bytes()
    again = machine_identity(identity.key.parent, NAMES[:2])
    assert (again.authority.read_bytes(), again.certificate.read_bytes()) == before


def test_a_new_address_gets_a_new_leaf_of_the_same_authority(identity):
    authority, leaf = identity.authority.read_bytes(), identity.certificate.read_bytes()
    again = machine_identity(identity.key.parent, (*NAMES, "10.1.2.3"))
    assert again.authority.read_bytes() == authority
    assert again.certificate.read_bytes() != leaf


def test_the_leaf_lives_shorter_than_browsers_allow(identity):
    leaf = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 397


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "lab.local", "192.168.7.20"])
def test_a_client_that_trusts_the_authority_trusts_the_server(identity, name):
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(identity.certificate, identity.key)
    client = ssl.create_default_context(cafile=str(identity.authority))
    here, there = socket.socketpair()

    def serve() -> None:
        with offered.wrap_socket(there, server_side=True) as answering:
            answering.sendall(b"hello")

    serving = threading.Thread(target=serve)
    serving.start()
    with client.wrap_socket(here, server_hostname=name) as asking:
        assert asking.recv(5) == b"hello"
    serving.join()


def test_the_machines_own_names_include_localhost():
    assert {"localhost", "127.0.0.1", "::1"} <= set(machine_names())


def test_a_client_makes_and_renews_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    trusting_this_machine()
    assert list(tmp_path.iterdir()) == []
    before = machine_identity(names=("localhost", "10.1.2.3")).certificate.read_bytes()
    context = trusting_this_machine()
    assert machine_identity(names=("localhost",)).certificate.read_bytes() == before
    assert any("skin-teleop" in str(authority["subject"]) for authority in context.get_ca_certs())


class Inviting(BaseHTTPRequestHandler):
    """A server that invites whoever asks."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"token": "t", "code": "123456"}')

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def test_an_invitation_is_asked_for_over_tls_of_this_machines_server_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    own, foreign = machine_identity(), machine_identity(tmp_path / "another machine", NAMES)
    for identity in (own, foreign):
        offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        offered.load_cert_chain(identity.certificate, identity.key)
        with HTTPServer(("127.0.0.1", 0), Inviting) as server:
            server.socket = offered.wrap_socket(server.socket, server_side=True)
            serving = threading.Thread(target=server.handle_request)
            serving.start()
            base = f"https://127.0.0.1:{server.server_port}/"
            if identity is own:
                assert ask_for_invitation(base, "a-token").code == "123456"
            else:
                with pytest.raises(DeviceError, match="certificate verify failed"):
                    ask_for_invitation(base, "a-token")
            serving.join()


async def refused_by(identity: Identity) -> None:
    """A server of this identity that refuses every token."""

    async def refuse(connection: ServerConnection) -> None:
        await connection.close(4401, "another token")

    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(identity.certificate, identity.key)
    async with serve(refuse, "127.0.0.1", 0, ssl=offered) as server:
        port = server.sockets[0].getsockname()[1]
        async with OperatorClient(f"wss://127.0.0.1:{port}/ws/operator", "a-token"):
            pytest.fail("no hello came")


def test_a_program_trusts_this_machines_server_and_no_other_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(AccessError, match="another token"):
        asyncio.run(refused_by(machine_identity()))
    with pytest.raises(DeviceError, match="certificate verify failed"):
        asyncio.run(refused_by(machine_identity(tmp_path / "another machine", NAMES)))
