"""The simulated skin server speaks as the vendor's does, to any number of clients, and never waits for one."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from drivers.simulated.xela_server import XelaServer
from drivers.uskin.server_frame import ServerFrame, parse_server_frame
from skin_teleop.errors import DeviceError
from skin_teleop.rig import free_port
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
COUNTS = np.arange(368 * 3, dtype=np.uint16).reshape(368, 3) + 20000
RATES = np.linspace(2.5, 5.0, 368)
NOW_NS = 1_700_000_000_000_000_000


@pytest.fixture
def server() -> Iterator[XelaServer]:
    server = XelaServer(f"ws://127.0.0.1:{free_port()}", LAYOUT)
    yield server
    server.close()


@pytest.fixture
def publishing(server: XelaServer) -> Iterator[XelaServer]:
    """The server while a world publishes every 10 ms."""
    done = threading.Event()

    def publish() -> None:
        while not done.wait(0.01):
            server.publish(COUNTS, RATES, NOW_NS)

    thread = threading.Thread(target=publish)
    thread.start()
    yield server
    done.set()
    thread.join()


def client(server: XelaServer) -> ClientConnection:
    return connect(server.url, compression=None, open_timeout=10)


def next_frame(connection: ClientConnection, wait_factor: float) -> ServerFrame:
    frame = parse_server_frame(connection.recv(timeout=5 * wait_factor))
    assert frame is not None
    return frame


def test_the_first_frame_is_the_welcome(server: XelaServer, wait_factor: float) -> None:
    with client(server) as connection:
        text = connection.recv(timeout=5 * wait_factor)
    assert json.loads(text)["message"] == "Welcome"
    assert parse_server_frame(text) is None


def test_frames_decode_and_return_to_canonical_order(publishing: XelaServer, wait_factor: float) -> None:
    with client(publishing) as connection:
        connection.recv(timeout=5 * wait_factor)
        frame = next_frame(connection, wait_factor)
        after = next_frame(connection, wait_factor)
    assert after.message > frame.message
    assert frame.sensors[0].model == "XR23AHRCPP"
    assert frame.time_ns == pytest.approx(NOW_NS, abs=1000)
    np.testing.assert_array_equal(LAYOUT.to_canonical(frame.flux), COUNTS)
    np.testing.assert_allclose(LAYOUT.to_canonical(frame.updates_per_s), RATES, atol=0.006)
    np.testing.assert_allclose(frame.temperature_k, 297.0)


def test_the_wire_is_interleaved_as_the_vendors(publishing: XelaServer, wait_factor: float) -> None:
    """Flat 0 to 4 are taxels 2, 3, 4, 5 and 1 of the thumb tip (server_model_joint_map.yaml of server 1.8)."""
    with client(publishing) as connection:
        connection.recv(timeout=5 * wait_factor)
        message = json.loads(connection.recv(timeout=5 * wait_factor))
    thumb_tip = LAYOUT.pad("3aftc").first
    expected = COUNTS[[thumb_tip + 1, thumb_tip + 2, thumb_tip + 3, thumb_tip + 4, thumb_tip]].reshape(-1)
    assert message["1"]["integer"][:15] == expected.tolist()
    assert message["1"]["data"].split(",")[0] == f"{expected[0]:04X}"
    assert message["1"]["taxels"] == 368


def test_several_clients_are_served(publishing: XelaServer, wait_factor: float) -> None:
    with client(publishing) as first, client(publishing) as second:
        for connection in (first, second):
            connection.recv(timeout=5 * wait_factor)
            next_frame(connection, wait_factor)
    with client(publishing) as third:
        third.recv(timeout=5 * wait_factor)
        next_frame(third, wait_factor)


def test_a_client_that_never_reads_stops_nobody(server: XelaServer, wait_factor: float) -> None:
    stuck = socket.create_connection((server.host, server.port))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    stuck.sendall(
        f"GET / HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n".encode()
    )
    with client(server) as reader:
        reader.recv(timeout=5 * wait_factor)
        seen, deadline = 0, time.monotonic() + 20 * wait_factor
        while seen < 400 and time.monotonic() < deadline:  # 8 MB, far more than the sockets hold
            server.publish(COUNTS, RATES, NOW_NS)
            next_frame(reader, wait_factor)
            seen += 1
    stuck.close()
    assert seen == 400


def test_closing_is_prompt_and_frees_the_port() -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    for _ in range(2):
        server = XelaServer(url, LAYOUT)
        with client(server):
            server.close()
        assert not server.is_serving


def test_a_busy_port_is_explained() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(DeviceError, match=f"127.0.0.1:{port}.*another program holds this port.*skin.url"):
            XelaServer(f"ws://127.0.0.1:{port}", LAYOUT)
