"""`bench teleop`: where its figures come from, and what it says where there is no browser."""

from __future__ import annotations

import types

import numpy as np
import pytest

from skin_teleop.cli import bench_page, bench_teleop
from skin_teleop.cli.bench import _page_line
from skin_teleop.cli.bench_page import Memory, memory_figures, why_no_page
from skin_teleop.cli.latency import clock_ahead_ns, percentiles, pose_latencies_ms
from skin_teleop.clock import NS_PER_MS
from skin_teleop.errors import SessionError
from skin_teleop.rig import load_rig

AHEAD_NS = 1_790_000_000_000_000_000
"""A page counts from 1970, the host from its start."""


class Rows(dict):
    """Columns of a stream by name, as a session has them."""

    @property
    def t_mono(self) -> np.ndarray:
        return self["t_mono"]

    @property
    def rows(self) -> int:
        return len(self["t_mono"])


@pytest.fixture
def session() -> types.SimpleNamespace:
    """Three poses 10 ms apart from a page; the target comes 3 ms after the capture, the torque 2 ms later."""
    captured = (1000 + 10 * np.arange(3)) * NS_PER_MS
    exchanged = (900 + 100 * np.arange(5)) * NS_PER_MS
    off = np.array([0, 0, 0, 40, -70]) * NS_PER_MS
    streams = {
        "hand_pose": Rows(seq=np.arange(1, 4), t_dev=captured + AHEAD_NS, t_mono=captured + NS_PER_MS),
        "allegro_target": Rows(
            seq=np.array([7, 8, 9]),
            pose_seq=np.arange(1, 4),
            engaged=np.ones(3, np.uint8),
            t_pose=captured + NS_PER_MS,
            t_mono=captured + 3 * NS_PER_MS,
        ),
        "allegro": Rows(
            target_seq=np.array([7, 7, 8, 9]),
            t_command=np.array([1005, 1008, 1015, 1025]) * NS_PER_MS,
            t_mono=np.array([1005, 1008, 1015, 1025]) * NS_PER_MS,
        ),
        "clock_headset": Rows(
            t_dev=exchanged + AHEAD_NS + off, t_mono=exchanged, rtt=np.array([1, 1, 2, 90, 150]) * NS_PER_MS
        ),
    }
    return types.SimpleNamespace(streams=streams, path=types.SimpleNamespace(name="one"), realtime_factor=1.0)


def test_the_page_clock_is_read_from_the_fast_exchanges_only(session):
    assert clock_ahead_ns(session, "clock_headset") == AHEAD_NS


def test_a_clock_that_nobody_asked_is_named(session):
    del session.streams["clock_headset"]
    with pytest.raises(SessionError, match="no stream clock_headset"):
        clock_ahead_ns(session, "clock_headset")


def test_latency_from_the_page_counts_from_its_own_capture(session):
    ahead_ns = clock_ahead_ns(session, "clock_headset")
    latencies = pose_latencies_ms(session, "allegro", since="sent", sender_ahead_ns=ahead_ns)
    assert latencies["pose_to_target"].tolist() == [3, 3, 3]
    assert latencies["pose_to_can"].tolist() == [5, 5, 5]
    received = percentiles(pose_latencies_ms(session, "allegro"))
    assert received["pose_to_target"] == {"p50": 2.0, "p99": 2.0}


def test_page_figures_have_the_fields_of_the_bench(session):
    figures = bench_page._page_figures(session, "allegro", np.linspace(0, 1, 101))
    assert figures["page_to_can_ms"] == {"p50": 5.0, "p99": 5.0}
    assert figures["page_encode_ms_p99"] == pytest.approx(0.99)
    assert figures["page_poses_per_s"] == pytest.approx(100)


def test_growth_is_told_by_the_minute():
    figures = memory_figures([Memory(10.0, 1 << 20, 200 << 20, 90 << 20), Memory(40.0, 2 << 20, 200 << 20, 89 << 20)])
    growth = {name: figures[f"{name}_growth_kb_per_min"] for name in ("page_heap", "page_process", "server")}
    assert growth == pytest.approx({"page_heap": 2048, "page_process": 0, "server": -2048}, abs=1e-6)
    assert figures["page_heap_kb"] == [1024, 2048] and figures["memory_read_at_min"] == [0, 0.5]


def test_memory_that_settles_grows_no_more_in_the_later_half():
    held = [10, 20, 30, 30, 30]
    figures = memory_figures([Memory(60.0 * minute, kb << 10, 0, kb << 11) for minute, kb in enumerate(held)])
    assert figures["page_heap_growth_kb_per_min"] == pytest.approx(5)
    assert figures["page_heap_later_growth_kb_per_min"] == pytest.approx(0, abs=1e-9)
    assert figures["server_growth_kb_per_min"] == pytest.approx(10)


def test_every_field_is_there_beside_the_echo(session):
    figures = bench_teleop._figures(session, load_rig("simulated"), np.array([1.0, 1.0, 2.0]))
    assert figures["echo_ms"]["p50"] == 1.0
    assert {"pose_to_target_ms", "pose_to_can_ms", "target_added_p99_to_echo_p50"} <= figures.keys()
    assert figures["rate_hz"] == 90.0


def test_without_a_browser_the_page_is_null_with_the_reason(monkeypatch):
    monkeypatch.setattr(bench_page.ClientFiles, "built", property(lambda self: True))
    monkeypatch.setattr(bench_page.shutil, "which", lambda name: None)
    assert "apt-get install" in why_no_page()
    figures = bench_teleop._page(None, 10.0)
    assert figures["page_to_can_ms"] is None and figures["page_encode_ms_p99"] is None
    assert _page_line(figures) == f"page not measured: {why_no_page()}"


def test_without_the_client_the_reason_is_the_build(monkeypatch):
    monkeypatch.setattr(bench_page.ClientFiles, "built", property(lambda self: False))
    assert "make client" in why_no_page()


def test_the_moving_hand_is_played_at_ninety_hertz():
    trace = bench_teleop._moving_hand(2.0)
    assert len(trace.t_s) == 180
    np.testing.assert_allclose(np.diff(trace.t_s), 1 / 90)
    assert np.abs(np.diff(trace.pose[:, 9, :3], axis=0)).max() > 0
