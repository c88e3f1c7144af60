"""What processor time the skin node takes at 100 Hz x 368 taxels, from the vendor's server and from raw CAN."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drivers.simulated.raw_skin import RawSkinDevices
from drivers.simulated.xela_server import XelaServer
from drivers.uskin.id_map import read_id_map
from drivers.uskin.raw_can import raw_id
from skin_teleop.cli.bench_process import lone_process, runtime_folder
from skin_teleop.clock import NS_PER_S, Ticker
from skin_teleop.messages import N_TAXELS, SkinFrame
from skin_teleop.rig import Rig, SkinConfig, load_rig
from skin_teleop.skin_layout import SkinLayout, skin_layout

WARM_UP_S = 2.0
BUSES = ("skin0", "skin1", "skin2", "skin3")
"""All taxels at 83 Hz would need more than three buses of 1 Mbit/s."""
NOISE_COUNTS = 20


def bench_skin(seconds: float) -> dict[str, Any]:
    """Figures of both sources, each measured for so many seconds."""
    sources = {source: _node(source, seconds) for source in ("xela_server", "raw_can")}
    return {"seconds": seconds, "load_average": os.getloadavg()[0], "sources": sources, "simulated": True}


def _node(source: str, seconds: float) -> dict[str, float]:
    rig = load_rig("simulated").on_free_ports()
    with runtime_folder() as runtime:
        if source == "raw_can":
            rig = _on_raw_can(rig, runtime)
        with _moving_skin(rig.skin), lone_process("skin", rig, runtime) as node:
            node.messages(WARM_UP_S)
            before_s, before_cpu_s = time.monotonic(), node.cpu_s()
            frames = [m for m in node.messages(seconds) if isinstance(m, SkinFrame)]
            elapsed_s = time.monotonic() - before_s
            return {
                "cpu_share": (node.cpu_s() - before_cpu_s) / elapsed_s,
                "tick_hz": len(frames) / elapsed_s,
                "source_frames_per_s": (frames[-1].seq - frames[0].seq) / elapsed_s,
            }


def _on_raw_can(rig: Rig, runtime: Path) -> Rig:
    """The rig with its skin on four local buses, by an invented id map (a kit's real one is its owner's)."""
    layout = skin_layout(rig.skin.layout)
    path = runtime / "kit.csv"
    path.write_text("\n".join(["bus,id,pad,taxel", *_invented_rows(layout)]) + "\n")
    skin = dataclasses.replace(
        rig.skin, source="raw_can", can_interface="skin_teleop_local", can_channels=BUSES, id_map=str(path)
    )
    return dataclasses.replace(rig, skin=skin)


def _invented_rows(layout: SkinLayout) -> Iterator[str]:
    for pad in layout.pads:
        for k in range(pad.first, pad.first + pad.count):
            mcu, place = divmod(k, 32)
            identifier = raw_id(place // 16, place % 16, mcu)
            yield f"{BUSES[mcu % len(BUSES)]},{identifier},{pad.name},{layout.vendor_taxel[k]}"


@contextlib.contextmanager
def _moving_skin(config: SkinConfig) -> Iterator[None]:
    """The simulated device with every taxel moving at 100 Hz, the hardest case for the node."""
    layout, stop = skin_layout(config.layout), threading.Event()
    if config.source == "raw_can":
        device: RawSkinDevices | XelaServer = RawSkinDevices(
            config, read_id_map(config.id_map, config.can_channels, layout)
        )
    else:
        device = XelaServer(config.url, layout)

    def publish() -> None:
        generator, ticker = np.random.default_rng(0), Ticker(NS_PER_S // 100)
        rates = np.full(N_TAXELS, 83.0, np.float32)
        while not stop.wait(ticker.seconds_left()):
            ticker.advance()
            counts = 32768 + generator.integers(-NOISE_COUNTS, NOISE_COUNTS, (N_TAXELS, 3))
            device.publish(counts.astype(np.uint16), rates, time.time_ns())

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        device.close()
