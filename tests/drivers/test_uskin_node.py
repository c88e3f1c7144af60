"""The skin node against a small WebSocket server: what is recorded, and how it survives losses and garbage."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from drivers.uskin import node
from drivers.uskin.server_frame import SensorReading, ServerFrame, encode_server_frame, encode_welcome
from skin_teleop.bus import endpoint
from skin_teleop.frames import decode_rows
from skin_teleop.messages import FLAG_STALE, ClockSample, Event, Message, SkinFrame, SkinHealth
from skin_teleop.rig import Rig, free_port, load_rig
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()


class ScriptedServer:
    """A vendor-like server: the welcome, then broadcasts 200 times a second, one taxel changing with each."""

    def __init__(self, port: int, first_message: int = 100) -> None:
        self.flux = np.full((368, 3), 32768, np.uint16)
        self.message = first_message
        self.silent = threading.Event()
        self.garbage: list[bytes] = []
        self._server: Server = serve(self._client, "127.0.0.1", port, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._closing = threading.Event()

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()

    def _client(self, connection: ServerConnection) -> None:
        try:
            connection.send(encode_welcome().decode())
            while not self._closing.wait(0.005):
                if self.garbage:
                    connection.send(self.garbage.pop().decode())
                if not self.silent.is_set():
                    connection.send(self._broadcast())
        except ConnectionClosed:
            return

    def _broadcast(self) -> str:
        self.message += 1
        self.flux[self.message % 368, 2] += 1
        temperature = np.full(368, 297.5, np.float32)
        reading = SensorReading("XR23AHRCPP", self.flux, temperature, None, 10**18)
        return encode_server_frame(ServerFrame(self.message, 10**18, (reading,))).decode()


class Bench:
    """A skin node in a thread and the recorder's end."""

    def __init__(self, runtime: Path, rig: Rig, wait_factor: float) -> None:
        self.samples: list[tuple[Message, str]] = []
        self._wait_factor = wait_factor
        self._pull = zmq.Context.instance().socket(zmq.PULL)
        self._pull.bind(endpoint(runtime, "recorder.pull"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=node.run, args=(rig, runtime, self._stop))
        self._thread.start()

    def of(self, kind: type[Message]) -> list[Message]:
        return [sample for sample, _ in self.samples if isinstance(sample, kind)]

    def names(self) -> list[str]:
        return [event.name for event in self.of(Event)]

    def drain(self) -> None:
        while self._pull.poll(0):
            self.samples.extend(decode_rows(self._pull.recv()))

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds * self._wait_factor
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}; events: {self.names()}"
            time.sleep(0.005)
            self.drain()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5 * self._wait_factor)
        assert not self._thread.is_alive()
        self._pull.close()


@pytest.fixture
def rig() -> Rig:
    simulated = load_rig("simulated")
    skin = dataclasses.replace(simulated.skin, url=f"ws://127.0.0.1:{free_port()}", stale_after_ms=200)
    return dataclasses.replace(simulated, skin=skin)


@pytest.fixture
def port(rig: Rig) -> int:
    return int(rig.skin.url.rpartition(":")[2])


@pytest.fixture
def bench(rig: Rig, runtime: Path, wait_factor: float) -> Iterator[Bench]:
    bench = Bench(runtime, rig, wait_factor)
    yield bench
    bench.close()


def test_frames_come_on_the_tick_in_canonical_order(bench, port, runtime):
    with ScriptedServer(port) as server:
        bench.until(lambda: len(bench.of(SkinFrame)) >= 120, "120 frames were recorded")
        server.silent.set()
        last = server.message
        bench.until(lambda: bench.of(SkinFrame)[-1].seq == last, "the last broadcast was recorded")
        frames, health = bench.of(SkinFrame), bench.of(SkinHealth)
        np.testing.assert_array_equal(LAYOUT.to_vendor(frames[-1].flux), server.flux)
    assert (runtime / "skin.ready").exists()
    assert {stream for _, stream in bench.samples} == {"uskin", "uskin_health", "clock_uskin", "events"}
    ticks = np.diff([frame.t_mono for frame in frames])
    assert (ticks > 0).all()
    assert (ticks % 10_000_000 == 0).all()
    assert all(frame.t_dev == 10**18 for frame in frames)
    assert (np.diff([frame.seq for frame in frames]) >= 0).all()
    assert (frames[-1].age_ms < 65535).any()
    assert len(health) >= 1
    assert (health[0].temperature == 297.5).all()
    assert np.isnan(health[0].updates_per_s).all()
    readings = bench.of(ClockSample)
    assert [(reading.t_dev, reading.rtt) for reading in readings] == [(10**18, 0)] * len(readings)
    assert frames[0].t_mono <= readings[-1].t_mono <= frames[-1].t_mono


def test_nothing_is_published_before_the_first_frame(bench, port, runtime):
    with ScriptedServer(port) as server:
        server.silent.set()
        bench.until(lambda: "connected" in bench.names(), "the server is connected")
        time.sleep(0.1)
        bench.drain()
        assert bench.of(SkinFrame) == []
        assert not (runtime / "skin.ready").exists()
        server.silent.clear()
        bench.until(lambda: len(bench.of(SkinFrame)) > 0, "a frame was recorded")


def test_a_lost_server_leaves_stale_frames_and_is_dialled_again(bench, port):
    with ScriptedServer(port):
        bench.until(lambda: len(bench.of(SkinFrame)) > 5, "frames were recorded")
    bench.until(lambda: bench.of(SkinFrame)[-1].flags == FLAG_STALE, "frames are stale")
    with ScriptedServer(port, first_message=0):
        bench.until(lambda: bench.of(SkinFrame)[-1].flags == 0, "frames are fresh again")
        bench.until(lambda: bench.names().count("connected") == 3, "the restart was told")
    events = bench.of(Event)
    assert events[-1].facts["cause"] == "server restarted"
    assert events[-1].facts["from"] > events[-1].facts["to"]
    assert bench.names()[-4:] == ["connected", "disconnected", "connected", "connected"]


def test_garbage_is_skipped(bench, port):
    with ScriptedServer(port) as server:
        bench.until(lambda: len(bench.of(SkinFrame)) > 5, "frames were recorded")
        server.garbage = [b"{}", b"nonsense", b'{"message":1,"sensors":1,"1":{"taxels":1,"data":"8000,8000,8000"}}']
        bench.until(lambda: not server.garbage, "the garbage was sent")
        count, losses = len(bench.of(SkinFrame)), bench.names().count("disconnected")
        bench.until(lambda: len(bench.of(SkinFrame)) > count + 10, "frames go on")
        assert bench.names().count("disconnected") == losses
    assert bench.of(SkinFrame)[-1].seq > 100
