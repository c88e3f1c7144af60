"""How evenly and how cheaply the hand node runs, V4 at 333 Hz and V5 at 500 Hz, against the simulated device.

The codec's time for one control cycle (four frames decoded, four encoded) stands beside what python-can itself takes to
carry those eight frames over its in-process bus, in the same run.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import can
import numpy as np

from drivers.allegro.codec import N_FINGERS, FingerPose, FingerTorque, decode, encode
from drivers.simulated.light_hand import LightHand
from skin_teleop.cli.bench_process import lone_process, runtime_folder
from skin_teleop.messages import HandHealth, JointState
from skin_teleop.rig import HandConfig, load_rig

KINDS = {"v4": ("allegro_v4_right", 3), "v5": ("allegro_v5_right_b", 2)}
"""Model and pose period, ms."""
WARM_UP_S = 2.0
CYCLES, ROUNDS = 500, 5


def bench_hand(seconds: float) -> dict[str, Any]:
    """Figures of both hands, each measured for so many seconds."""
    codec_us, transport_us = _best_us(_codec_cycle), _transport_us()
    shared = {"codec_us": codec_us, "transport_us": transport_us, "codec_to_transport": codec_us / transport_us}
    hands = {kind: _loop(model, period_ms, seconds) | shared for kind, (model, period_ms) in KINDS.items()}
    return {"seconds": seconds, "load_average": os.getloadavg()[0], "hands": hands, "simulated": True}


def _loop(model: str, period_ms: int, seconds: float) -> dict[str, float]:
    rig = load_rig("simulated")
    rig = dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, model=model, period_ms=period_ms))
    with runtime_folder() as runtime, LightHand(rig.hand), lone_process("hand", rig, runtime) as node:
        node.messages(WARM_UP_S)
        before_s, before_cpu_s = time.monotonic(), node.cpu_s()
        messages = node.messages(seconds)
        cpu_share = (node.cpu_s() - before_cpu_s) / (time.monotonic() - before_s)
    stamps_ms = np.array([m.t_mono for m in messages if isinstance(m, JointState)]) / 1e6
    health = [m for m in messages if isinstance(m, HandHealth)]
    steps_ms = np.diff(stamps_ms)
    return {
        "loop_hz": 1000 * len(steps_ms) / (stamps_ms[-1] - stamps_ms[0]),
        "jitter_ms_p99": float(np.percentile(np.abs(steps_ms - period_ms), 99)),
        "missed_cycles": int(np.maximum(np.rint(steps_ms / period_ms) - 1, 0).sum()),
        "missing_frames": health[-1].missing - health[0].missing,
        "cpu_share": cpu_share,
    }


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
