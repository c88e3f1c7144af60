"""A server that streams the simulated skin as the vendor's xela_server does: Welcome, then JSON at 100 Hz.

It runs in a thread of its own. The world leaves the newest frame and goes on; each client is sent the newest frame it
has not had, so a slow client skips frames and neither the world nor another client waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from urllib.parse import urlsplit

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from drivers.uskin.server_frame import (
    ALLEGRO_KITS,
    SensorReading,
    ServerFrame,
    encode_server_frame,
    encode_welcome,
)
from skin_teleop.errors import DeviceError
from skin_teleop.messages import N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

DEFAULT_PORT = 5000
START_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 0.1
"""How long a client may take to say good-bye."""
MAX_CLIENT_BYTES = 4096
"""Clients have nothing to say; longer messages close the connection."""
TAXEL_TEMPERATURE_K = np.full(N_TAXELS, 297.0, np.float32)
"""Cited: mean over a real frame of the kit (278 to 319 K)."""

log = logging.getLogger(__name__)


class XelaServer:
    """Serves frames on the host and port of a rig's skin URL until `close`."""

    def __init__(self, url: str, layout: SkinLayout) -> None:
        """Bind and serve; raises DeviceError when the port is taken."""
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT
        self._layout = layout
        self._message = 0
        self._clients: set[asyncio.Event] = set()
        self._newest = ""
        self._error: OSError | None = None
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="xela-server", daemon=True)
        self._thread.start()
        self._started.wait(START_TIMEOUT_S)
        if self._error is not None:
            raise self._refusal(self._error)
        log.info("skin server on %s", self.url)

    def _refusal(self, error: OSError) -> DeviceError:
        taken = error.errno == errno.EADDRINUSE
        return DeviceError(
            f"the simulated skin cannot serve on {self.host}:{self.port}",
            found="another program holds this port" if taken else str(error),
            next_step=f"see who holds it: ss -ltnp 'sport = :{self.port}'; or set another port in skin.url",
        )

    def publish(self, counts: Array, updates_per_s: Array, time_ns: int) -> None:
        """Hand over counts (368, 3) and updates/s (368,) in canonical order, at wall time ns; never waits."""
        if not self._clients:
            return
        self._message += 1
        reading = SensorReading(
            model=ALLEGRO_KITS[self._layout.name],
            flux=self._layout.to_vendor(counts),
            temperature_k=TAXEL_TEMPERATURE_K,
            updates_per_s=self._layout.to_vendor(updates_per_s).round(2).astype(np.float32),
            time_ns=time_ns,
        )
        self._loop.call_soon_threadsafe(self._broadcast, ServerFrame(self._message, time_ns, (reading,)))

    def _broadcast(self, frame: ServerFrame) -> None:
        """Encode a frame once for all clients and wake those who wait for one; runs in the server's thread."""
        self._newest = encode_server_frame(frame).decode()
        self._wake_all()

    def _wake_all(self) -> None:
        for client in self._clients:
            client.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            server = await serve(
                self._attend,
                self.host,
                self.port,
                compression=None,
                max_size=MAX_CLIENT_BYTES,
                ping_interval=None,
                close_timeout=CLOSE_TIMEOUT_S,
            )
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self._started.set()
        await self._stop.wait()
        self._wake_all()
        server.close()
        await server.wait_closed()

    async def _attend(self, client: ServerConnection) -> None:
        """Greet one client and send it the newest frame whenever there is a new one."""
        news = asyncio.Event()
        self._clients.add(news)
        sent = 0
        log.info("skin client %s connected", client.remote_address)
        try:
            await client.send(encode_welcome().decode())
            while await news.wait() and not self._stop.is_set():
                news.clear()
                await client.send(self._newest)
                sent += 1
        except ConnectionClosed:
            log.debug("skin client %s closed its connection", client.remote_address)
        finally:
            self._clients.discard(news)
            log.info("skin client %s left after %d frames", client.remote_address, sent)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"ws://{self.host}:{self.port}"

    @property
    def is_serving(self) -> bool:
        """False once it has closed."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Say good-bye to the clients and stop serving."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(START_TIMEOUT_S)
