"""Latency of teleoperation: from the operator's send to the joint target and to the CAN frames.

The yardstick is the round trip of an equal message through a bare echo on the same stack. Both run at the same time,
so a busy machine slows both. Sender and nodes share this host's monotonic clock, so no clock has to be fitted.
Afterwards a headless browser, where there is one, drives the same rig from the emulated headset's page.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.reader import Session, open_session
from server.operator_motion.demo_motion import RATE_HZ as DEMO_HZ
from server.operator_motion.demo_motion import demo_trace
from server.trace import Trace
from skin_teleop.cli.bench_page import bench_page, why_no_page
from skin_teleop.cli.echo import echo_round_trips_ms, echo_server
from skin_teleop.cli.latency import percentiles, pose_latencies_ms
from skin_teleop.cli.operate import record_trace
from skin_teleop.cli.own_workers import own_workers
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.rig import Rig, load_rig
from skin_teleop.transforms import Array

RATE_HZ = 90.0
"""What a Quest 3 offers above its 72 Hz."""
WARM_UP_S = 0.5
MOST_CLIENT_S = 60.0
"""A longer run is for the page's memory; percentiles of a minute are good enough for the rest."""


def bench_teleop(seconds: float) -> dict[str, Any]:
    """Run the simulated rig and the echo side by side, then the page; figures in ms unless named otherwise."""
    client_s = min(seconds, MOST_CLIENT_S)
    with tempfile.TemporaryDirectory(prefix="skt-bench-") as folder, echo_server() as echo_url:
        rig = load_rig("simulated").on_free_ports().with_recordings_in(Path(folder))
        with RunningRig(rig) as running, own_workers(1) as echo:
            echo.submit(echo_round_trips_ms, echo_url, RATE_HZ, WARM_UP_S).result()
            round_trips = echo.submit(echo_round_trips_ms, echo_url, RATE_HZ, client_s)
            recording = record_trace(running, _moving_hand(client_s))
            round_trips_ms = round_trips.result()
            page = _page(running, seconds)
        session = open_session(recording.session)
        return _figures(session, rig, round_trips_ms) | page


def _page(running: RunningRig, seconds: float) -> dict[str, Any]:
    """Figures of the page, or null with the reason where no browser can show it."""
    reason = why_no_page()
    absent = {"page_to_can_ms": None, "page_encode_ms_p99": None, "page_absent_because": reason}
    return absent if reason else bench_page(running, seconds)


def _moving_hand(seconds: float) -> Trace:
    """The demo's motion without its first rest, repeated or cut to the wanted length."""
    trace = demo_trace().as_trace()
    moving = trace.pose[int(2 * DEMO_HZ) :]
    there_and_back = np.concatenate([moving, moving[::-1]])
    rows = np.arange(int(seconds * RATE_HZ)) % len(there_and_back)
    return Trace(there_and_back[rows], np.ones(len(rows), bool), np.arange(len(rows)) / RATE_HZ)


def _figures(session: Session, rig: Rig, round_trips_ms: Array) -> dict[str, Any]:
    latencies = percentiles(pose_latencies_ms(session, rig.hand.name, since="sent"))
    echo = percentiles({"echo": round_trips_ms})["echo"]
    rows: dict[str, Any] = {"echo_ms": echo} | {f"{name}_ms": figures for name, figures in latencies.items()}
    return rows | {
        "ratio_to_echo": {
            f"{name}_ms": {key: figures[key] / echo[key] for key in ("p50", "p99")}
            for name, figures in latencies.items()
        },
        "target_added_p99_to_echo_p50": (rows["pose_to_target_ms"]["p99"] - echo["p99"]) / echo["p50"],
        "poses": session.streams["hand_pose"].rows,
        "rate_hz": RATE_HZ,
        "load_average": os.getloadavg()[0],
        "realtime_factor": session.realtime_factor,
        "simulated": True,
    }
