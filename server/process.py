"""The server process of a rig: uvicorn on one port, the follower thread beside it, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI

from server.access import Gate, own_origins, read_pairing_token
from server.app import create_app
from server.certificates import Identity, machine_identity
from server.display import Display
from server.follower import Follower, Work
from server.newest import Newest
from server.reporter import Reporter
from server.stage import Stage
from server.teleop import Teleop
from skin_teleop.bus import announce_ready
from skin_teleop.errors import DeviceError, ProcessDied
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
PING_INTERVAL_S, PING_TIMEOUT_S = 2.0, 4.0
WATCH_S = 0.01
"""How often silence, the recorder's news and the order to stop are looked for."""
GRACE_S = 1


class _Server(uvicorn.Server):
    """Signals belong to whoever runs this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers alone."""
        yield


def run(rig: Rig, runtime: Path, stop: threading.Event) -> None:
    """Serve until `stop` is set; raises DeviceError when the port is taken, AccessError without a pairing token."""
    identity = machine_identity() if rig.server.tls else None
    gate = Gate(read_pairing_token(runtime), _origins(rig, identity))
    work: Newest[Work] = Newest()
    with listen(rig.server.host, rig.server.port) as listener:
        follower = Follower(rig, runtime, work)
        teleop = Teleop(rig, runtime, work, follower.use)
        follower.start()
        try:
            reporter = Reporter(teleop, follower, gate)
            app = create_app(teleop, reporter, gate, identity.authority if identity else None)
            stage = Stage(teleop, Display(rig, runtime), reporter)
            server = _Server(_configuration(app, identity))
            with contextlib.closing(stage), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(server, listener, stage, follower, runtime, stop))
        finally:
            teleop.close()
            follower.leave()
            follower.join()
    if not stop.is_set():
        raise ProcessDied("the server ended by itself", found="see the log above")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises DeviceError that names the port when somebody else has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise DeviceError(
            f"the server needs port {port} on {host}",
            found=str(error.strerror),
            next_step=f"stop the other program (ss -ltnp 'sport = :{port}') or set server.port in the rig file",
        ) from error
    return listener


def _origins(rig: Rig, identity: Identity | None) -> frozenset[str]:
    names = identity.names if identity else ()
    own = own_origins(rig.server.host, rig.server.port, tls=rig.server.tls, names=names)
    return own.union(rig.server.allowed_origins)


def _configuration(app: FastAPI, identity: Identity | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ssl_certfile=identity.certificate if identity else None,
        ssl_keyfile=identity.key if identity else None,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )


async def _serve(
    server: uvicorn.Server,
    listener: socket.socket,
    stage: Stage,
    follower: Follower,
    runtime: Path,
    stop: threading.Event,
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(WATCH_S)
    announce_ready(runtime, "server")
    while not (stop.is_set() or serving.done()) and follower.is_alive():
        stage.tick()
        await asyncio.sleep(WATCH_S)
    server.should_exit = True
    await serving
