"""The skin node: the whole skin on a steady tick, by sample and hold from its source."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from drivers.uskin.hold import TaxelHold
from drivers.uskin.source import SkinSource, open_source
from skin_teleop.bus import Publisher, RecorderFeed, announce_ready
from skin_teleop.clock import NS_PER_S, Stamp, Ticker, mono_ns
from skin_teleop.messages import ClockSample, Event, SkinFrame, SkinHealth
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)


def run(rig: Rig, runtime: Path, stop: threading.Event, device: str = "skin") -> None:
    """Read the skin until `stop` is set, the rig's first or its `second_skin`; a source that is away is tried again.

    The process counts as ready with the first complete frame; nothing is published before it.
    """
    config = rig.skins[device]
    client = open_source(config, stop)
    reports = _SkinReports(runtime, config.name, device)
    try:
        client.start()
        overruns = _tick(config.tick_hz, client, reports, stop)
        log.info(
            "skin %s: %d frames, %d malformed, %d late ticks", config.name, client.frames, client.malformed, overruns
        )
    finally:
        client.join()
        reports.close()


def _tick(tick_hz: int, client: SkinSource, reports: _SkinReports, stop: threading.Event) -> int:
    """Publish on absolute deadlines until `stop`; returns how many ticks were missed."""
    ticker = Ticker(NS_PER_S // tick_hz)
    ticks = 0
    while not stop.wait(ticker.seconds_left()):
        tick_ns = ticker.advance()
        reports.notices(client)
        if not client.hold.has_data:
            continue
        if ticks == 0:
            reports.ready()
        reports.frame(client, tick_ns)
        if ticks % tick_hz == 0:
            client.check(tick_ns)
            reports.health(client, tick_ns)
            reports.clock(client)
        ticks += 1
    return ticker.overruns


class _SkinReports:
    """The node's ends on the rig's message bus."""

    def __init__(self, runtime: Path, name: str, device: str) -> None:
        self._name, self._runtime, self._device = name, runtime, device
        self._events = self._readings = 0
        self._feed = RecorderFeed(runtime)
        self._publisher = Publisher(runtime, device)

    def ready(self) -> None:
        """Say that the whole skin answers."""
        announce_ready(self._runtime, self._device)

    def frame(self, client: SkinSource, tick_ns: int) -> None:
        """Publish the skin as it is at a tick (monotonic ns)."""
        hold = client.hold
        with client.lock:
            sample = SkinFrame.stamped(
                _stamp(hold, tick_ns),
                hold.message,
                hold.flags(tick_ns),
                flux=hold.flux.copy(),
                age_ms=hold.age_ms(tick_ns),
            )
        self._feed.send(sample, self._name)
        self._publisher.send(sample, self._name)

    def health(self, client: SkinSource, tick_ns: int) -> None:
        """Publish the condition of every taxel."""
        hold = client.hold
        with client.lock:
            sample = SkinHealth.stamped(
                _stamp(hold, tick_ns),
                hold.message,
                hold.flags(tick_ns),
                temperature=hold.temperature_k,
                updates_per_s=hold.updates_per_s,
            )
        self._feed.send(sample, f"{self._name}_health")
        self._publisher.send(sample, f"{self._name}_health")

    def clock(self, client: SkinSource) -> None:
        """Record the device's clock beside ours, where it has one."""
        reading = client.clock_reading()
        if reading is None:
            return
        wall_ns = time.time_ns() - (mono_ns() - reading.mono_ns)
        sample = ClockSample.stamped(
            Stamp(reading.device_ns, reading.mono_ns, wall_ns),
            self._readings,
            rtt=0,
            residual=reading.residual_ns,
            drift=reading.drift_ppm,
        )
        self._readings += 1
        self._feed.send(sample, f"clock_{self._name}")

    def notices(self, client: SkinSource) -> None:
        """Record what the client has told: connections, losses, restarts, silent controllers."""
        while client.notices:
            name, facts = client.notices.popleft()
            self._feed.send(Event.now(name, self._events, device=self._name, **facts), "events")
            self._events += 1

    def close(self) -> None:
        """Release every socket."""
        self._feed.close()
        self._publisher.close()


def _stamp(hold: TaxelHold, tick_ns: int) -> Stamp:
    """A tick's stamps: the device's newest time, the tick itself, and the wall clock at the tick."""
    return Stamp(hold.device_time_ns, tick_ns, time.time_ns() - (mono_ns() - tick_ns))
