"""The yardstick of `bench teleop`: a bare WebSocket echo on the same stack as the teleoperation server.

Same uvicorn, same WebSocket implementation, same event loop, same message size; nothing behind it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

from server.protocol import FRAME_BYTES
from skin_teleop.errors import DeviceError
from skin_teleop.rig import free_port
from skin_teleop.transforms import Array

START_TIMEOUT_S = 20.0


def _application() -> FastAPI:
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_bytes(await socket.receive_bytes())
        except WebSocketDisconnect:
            return

    return app


def _serve(port: int) -> None:
    uvicorn.run(
        _application(), host="127.0.0.1", port=port, log_level="error", ws="websockets-sansio", loop="uvloop",
        ws_per_message_deflate=False,
    )  # fmt: skip


@contextmanager
def echo_server() -> Iterator[str]:
    """A bare echo server in a process of its own; yields its WebSocket address."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{port}/echo"
    finally:
        process.terminate()
        process.join()


def echo_round_trips_ms(url: str, rate_hz: float, seconds: float) -> Array:
    """Round trips (N,) of one pose-sized message at a time, ms, sent at `rate_hz` on absolute deadlines.

    To be called in a process of its own: beside another busy thread it would measure how Python's threads take turns.
    """
    return asyncio.run(_round_trips_ms(url, rate_hz, seconds))


async def _round_trips_ms(url: str, rate_hz: float, seconds: float) -> Array:
    message = bytes(FRAME_BYTES)
    round_trips = []
    async with await _connected(url) as socket:
        start = time.monotonic()
        for k in range(int(rate_hz * seconds)):
            await asyncio.sleep(max(0.0, start + k / rate_hz - time.monotonic()))
            sent = time.perf_counter_ns()
            await socket.send(message)
            await socket.recv()
            round_trips.append((time.perf_counter_ns() - sent) / 1e6)
    return np.array(round_trips)


async def _connected(url: str) -> ClientConnection:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return await connect(url, compression=None)
        except OSError as error:
            if time.monotonic() > deadline:
                raise DeviceError(f"the echo server at {url} does not answer", found=str(error)) from error
            await asyncio.sleep(0.05)
