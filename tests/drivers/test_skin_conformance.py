"""What every skin must do, asked of both sources' simulated twins and, with --hardware uskin:URL, of a real server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from drivers.simulated.raw_skin import RawSkinDevices
from drivers.simulated.xela_server import XelaServer
from drivers.uskin.id_map import read_id_map
from drivers.uskin.raw_can import raw_id
from drivers.uskin.source import SkinSource, open_source
from skin_teleop.clock import mono_ns
from skin_teleop.messages import FLAG_STALE
from skin_teleop.rig import SkinConfig, free_port
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
REST = np.full((368, 3), 32768, np.uint16)


@dataclass
class Subject:
    """A skin source, and the twin behind it unless it is real."""

    source: SkinSource
    twin: XelaServer | RawSkinDevices | None
    patience_s: float

    def until(self, condition: Callable[[], bool], counts: np.ndarray = REST) -> None:
        deadline = time.monotonic() + self.patience_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            if self.twin is not None:
                self.twin.publish(counts, np.full(368, 3.0, np.float32), time.time_ns())
            time.sleep(0.01)


def twin_config(kind: str, folder) -> SkinConfig:
    if kind == "xela_server":
        return SkinConfig(url=f"ws://127.0.0.1:{free_port()}")
    path = folder / "kit.csv"
    lines = ["bus,id,pad,taxel"]
    for pad in LAYOUT.pads:
        for k in range(pad.first, pad.first + pad.count):
            mcu, place = divmod(k, 32)
            identifier = raw_id(place // 16, place % 16, mcu)
            lines.append(f"skin{mcu % 2},{identifier},{pad.name},{LAYOUT.vendor_taxel[k]}")
    path.write_text("\n".join(lines) + "\n")
    return SkinConfig(
        source="raw_can", can_interface="skin_teleop_local", can_channels=("skin0", "skin1"), id_map=str(path)
    )


def open_twin(config: SkinConfig) -> XelaServer | RawSkinDevices:
    if config.source == "raw_can":
        return RawSkinDevices(config, read_id_map(config.id_map, config.can_channels, LAYOUT))
    return XelaServer(config.url, LAYOUT)


@pytest.fixture(params=["xela_server", "raw_can", "hardware"])
def subject(request, runtime, tmp_path, monkeypatch, wait_factor) -> Iterator[Subject]:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    option = request.config.getoption("--hardware")
    if request.param == "hardware" and not option.startswith("uskin:"):
        pytest.skip("needs a real skin: --hardware uskin:ws://host:5000")
    real = request.param == "hardware"
    config = SkinConfig(url=option.removeprefix("uskin:")) if real else twin_config(request.param, tmp_path)
    stop = threading.Event()
    with contextlib.ExitStack() as parts:
        twin = None if real else parts.enter_context(contextlib.closing(open_twin(config)))
        source = open_source(config, stop)
        source.start()
        parts.callback(source.join)
        parts.callback(stop.set)
        yield Subject(source, twin, 5.0 * wait_factor)


def test_every_taxel_gets_a_value_and_an_age(subject):
    subject.until(lambda: subject.source.hold.has_data)
    subject.until(lambda: bool((subject.source.hold.age_ms(mono_ns()) < 65535).all()))
    with subject.source.lock:
        assert subject.source.hold.flux.shape == (368, 3)
        assert subject.source.hold.flux.dtype == np.uint16
        assert (subject.source.hold.flux > 0).all()
    assert subject.source.malformed == 0


def test_a_press_arrives_at_its_own_taxel_and_nowhere_else(subject):
    if subject.twin is None:
        pytest.skip("nobody presses a real skin here: skin-teleop verify-skin")
    subject.until(lambda: subject.source.hold.has_data)
    pressed = REST.copy()
    pressed[LAYOUT.pad("link_6").first + 5] += np.array([3, 20, 500], np.uint16)
    subject.until(lambda: bool((subject.source.hold.flux == pressed).all()), pressed)


def test_a_skin_that_falls_silent_is_stale_and_recovers(subject):
    if subject.twin is None:
        pytest.skip("a real skin is not silenced here")
    subject.until(lambda: subject.source.hold.has_data)
    assert not subject.source.hold.flags(mono_ns()) & FLAG_STALE
    deadline = time.monotonic() + subject.patience_s
    while not subject.source.hold.flags(mono_ns()) & FLAG_STALE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    subject.until(lambda: not subject.source.hold.flags(mono_ns()) & FLAG_STALE)


def test_a_dead_taxel_is_never_and_a_stuck_one_does_not_move(subject):
    if not isinstance(subject.twin, RawSkinDevices):
        pytest.skip("only raw controllers tell a taxel that never sends")
    subject.twin.dead_taxels, subject.twin.stuck_taxels = {100}, {200}
    subject.until(lambda: subject.source.hold.has_data)
    subject.until(lambda: bool(subject.source.hold.flux[0, 2] == 33000), np.full((368, 3), 33000, np.uint16))
    ages, flux = subject.source.hold.age_ms(mono_ns()), subject.source.hold.flux
    assert (ages[100], flux[100, 2], flux[200, 2]) == (65535, 0, 32768)
