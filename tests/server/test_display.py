"""What the pages draw: joints and touch in one small frame."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from server.client_files import ClientFiles
from server.display import COMMANDED, DISPLAY_BYTES, MEASURED, REST_FRAMES, SKIN, SKIN_STALE, Display
from skin_teleop.bus import Publisher
from skin_teleop.clock import Stamp
from skin_teleop.messages import FLAG_STALE, JointState, SkinFrame
from skin_teleop.rig import load_rig

ZERO = np.zeros(16, np.float32)


@pytest.fixture
def display(runtime):
    display = Display(load_rig("simulated"), runtime)
    yield display
    display.close()


def read(frame: bytes) -> tuple[int, np.ndarray, np.ndarray]:
    """Flags, measured joints (16,), touch (368, 3)."""
    assert len(frame) == DISPLAY_BYTES == 2372
    magic, kind, flags, _ = struct.unpack_from("<BBHI", frame)
    assert (magic, kind) == (0xA1, 2)
    return flags, np.frombuffer(frame, "<f4", 16, 8), np.frombuffer(frame, "<i2", offset=164).reshape(368, 3)


def test_nothing_known_is_said_so(display):
    flags, measured, touch = read(display.frame_at(1))
    assert flags == 0
    assert not measured.any() and not touch.any()


def test_frames_come_thirty_times_a_second(display):
    given = [display.frame_at(t * 1_000_000) is not None for t in range(1, 1001)]
    assert sum(given) == 30


def skin(level: float, flags: int = 0) -> SkinFrame:
    flux = np.full((368, 3), level).astype(np.uint16)
    return SkinFrame.stamped(Stamp.now(), 1, flags, flux=flux, age_ms=np.zeros(368, np.uint16))


def test_touch_is_drawn_against_rest_and_rest_can_be_taken_anew(display):
    for _ in range(REST_FRAMES):
        display._touch(skin(30000))
    display._touch(skin(32500, FLAG_STALE))
    flags, _, touch = read(display.frame_at(1))
    assert flags == SKIN | SKIN_STALE
    assert (touch == 2500).all()
    display.take_rest()
    display._touch(skin(32500))
    flags, _, touch = read(display.frame_at(10**9))
    assert flags == SKIN
    assert not touch.any()


def test_a_change_beyond_the_field_is_clipped(display):
    for _ in range(REST_FRAMES):
        display._touch(skin(0))
    display._touch(skin(65535))
    assert (read(display.frame_at(1))[2] == 32767).all()


def test_measured_joints_come_from_the_bus(display, runtime, served, poll):
    hand = Publisher(served.runtime, "hand")
    from_bus = Display(served.rig, served.runtime)
    bent = np.linspace(0, 1, 16, dtype=np.float32)
    state = JointState.stamped(
        Stamp.now(), 1, position=bent, velocity=ZERO, target=ZERO, torque_command=ZERO, target_seq=0, t_command=0
    )
    clock = iter(range(10**9, 10**13, 10**8))

    def seen() -> bool:
        hand.send(state, "allegro")
        flags, measured, _ = read(from_bus.frame_at(next(clock)))
        return bool(flags & MEASURED) and not flags & COMMANDED and np.array_equal(measured, bent)

    poll(seen, "the joints")
    from_bus.close()
    hand.close()


def test_client_files_are_known_by_exact_name(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("page")
    (tmp_path / "assets" / "main-1234.js").write_text("script")
    (tmp_path / "secret.txt").write_text("no")
    files = ClientFiles(tmp_path)
    assert files.built and files.page("index.html") == b"page"
    found = files.asset("main-1234.js")
    assert found is not None and (found.content, found.media_type) == (b"script", "text/javascript")
    for name in ("../secret.txt", "secret.txt", "..", ""):
        assert files.asset(name) is None
    assert not ClientFiles(tmp_path / "assets").built
    assert files.page("secret.txt") is None
