"""How evenly and how cheaply the hand node runs, V4 at 333 Hz and V5 at 500 Hz, against the simulated device.

The device runs in a process of its own, since in this one it would wait for the bench's own work. What it skips when
the machine is busy is counted apart from what the node misses. How soon a killed node is replaced stands beside both.

The codec's time for one control cycle (four frames decoded, four encoded) stands beside what python-can itself takes to
carry those eight frames over its in-process bus, in the same run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event as ProcessEvent
from typing import Any

import can
import numpy as np

from drivers.allegro.codec import N_FINGERS, FingerPose, FingerTorque, decode, encode
from drivers.simulated.light_hand import LightHand
from skin_teleop.cli.bench_process import lone_process, runtime_folder
from skin_teleop.cli.bench_stop import bench_stop
from skin_teleop.errors import ProcessDied
from skin_teleop.messages import HandHealth, JointState
from skin_teleop.rig import HandConfig, load_rig

KINDS = {"v4": ("allegro_v4_right", 3), "v5": ("allegro_v5_right_b", 2)}
"""Model and pose period, ms."""
WARM_UP_S, START_TIMEOUT_S = 2.0, 30.0
CYCLES, ROUNDS = 500, 5


def bench_hand(seconds: float) -> dict[str, Any]:
    """Figures of both hands, each measured for so many seconds."""
    codec_us, transport_us = _best_us(_codec_cycle), _transport_us()
    shared = {"codec_us": codec_us, "transport_us": transport_us, "codec_to_transport": codec_us / transport_us}
    hands = {kind: _loop(model, period_ms, seconds) | shared for kind, (model, period_ms) in KINDS.items()}
    load = os.getloadavg()[0]
    return {
        "seconds": seconds,
        "load_average": load,
        "hands": hands,
        "kill_to_off_ms": bench_stop(),
        "simulated": True,
    }


def _loop(model: str, period_ms: int, seconds: float) -> dict[str, float]:
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, model=model, period_ms=period_ms))
    with runtime_folder() as runtime, _hand_process(rig.hand), lone_process("hand", rig, runtime) as node:
        node.messages(WARM_UP_S)
        before_s, before_cpu_s = time.monotonic(), node.cpu_s()
        messages = node.messages(seconds)
        cpu_share = (node.cpu_s() - before_cpu_s) / (time.monotonic() - before_s)
    cycles = [m for m in messages if isinstance(m, JointState)]
    health = [m for m in messages if isinstance(m, HandHealth)]
    return _evenness(cycles, period_ms) | {
        "missing_frames": health[-1].missing - health[0].missing,
        "cpu_share": cpu_share,
    }


def _evenness(cycles: list[JointState], period_ms: int) -> dict[str, float]:
    """A cycle is missed when its torque frames were not sent before the hand's next pose frames were due."""
    arrived_ms = np.array([cycle.t_mono for cycle in cycles]) / 1e6
    response_ms = np.array([cycle.t_command for cycle in cycles]) / 1e6 - arrived_ms
    steps_ms = np.diff(arrived_ms)
    return {
        "loop_hz": 1000 * len(steps_ms) / (arrived_ms[-1] - arrived_ms[0]),
        "jitter_ms_p99": float(np.percentile(np.abs(steps_ms - period_ms), 99)),
        "response_ms_p50": float(np.percentile(response_ms, 50)),
        "response_ms_p99": float(np.percentile(response_ms, 99)),
        "missed_cycles": int((response_ms > period_ms).sum()),
        "hand_skipped": int(np.maximum(np.rint(steps_ms / period_ms) - 1, 0).sum()),
    }


@contextlib.contextmanager
def _hand_process(config: HandConfig) -> Iterator[None]:
    """A simulated hand in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    ready, stop = spawn.Event(), spawn.Event()
    child = spawn.Process(target=_be_a_hand, args=(config, ready, stop), name="simulated hand", daemon=True)
    child.start()
    try:
        if not ready.wait(START_TIMEOUT_S):
            raise ProcessDied("the simulated hand's process did not start", found=f"exit code {child.exitcode}")
        yield
    finally:
        stop.set()
        child.join(START_TIMEOUT_S)


def _be_a_hand(config: HandConfig, ready: ProcessEvent, stop: ProcessEvent) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the bench ends it
    with LightHand(config):
        ready.set()
        stop.wait()


def _codec_cycle() -> None:
    for finger in range(N_FINGERS):
        frame = encode(FingerTorque(finger, (100, -200, 300, -400)))
        decode((0x20 + finger) << 2, frame.data, False)


def _best_us(cycle: Callable[[], None]) -> float:
    """Microseconds of one cycle, the best of several rounds: what the work costs, not what the machine is doing."""
    rounds_s = []
    for _ in range(ROUNDS):
        begun_s = time.perf_counter()
        for _ in range(CYCLES):
            cycle()
        rounds_s.append(time.perf_counter() - begun_s)
    return 1e6 * min(rounds_s) / CYCLES


def _transport_us() -> float:
    """One cycle's eight frames, made, sent and received over python-can's in-process bus."""
    config = HandConfig(can_interface="virtual", can_channel="bench")
    pose = encode(FingerPose(0, (1, 2, 3, 4)))
    ends = [can.Bus(interface=config.can_interface, channel=config.can_channel) for _ in range(2)]

    def cycle() -> None:
        for sender, receiver in (ends, ends[::-1]):
            for _ in range(N_FINGERS):
                sender.send(can.Message(arbitration_id=pose.id, data=pose.data, is_extended_id=False))
                receiver.recv(0)

    try:
        return _best_us(cycle)
    finally:
        for end in ends:
            end.shutdown()
