"""Latency from a recorded session: every figure comes from the stamps of the rows, nothing is instrumented apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from dataset_tools.reader import Session
from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array


def pose_latencies_ms(
    session: Session, hand: str, since: Literal["received", "sent"] = "received", sender_ahead_ns: int = 0
) -> dict[str, Array]:
    """Per engaged hand pose: ms until its joint target, and until the torque frames that carry it have been sent.

    `sent` counts from the sender's own stamp, whose clock is `sender_ahead_ns` ahead of this host's (`clock_ahead_ns`).
    A target that was replaced by a newer one before a control cycle used it does not count as sent to the hand. Raises
    SessionError when the session holds no engaged target.
    """
    targets = session.streams[f"{hand}_target"]
    engaged = targets["engaged"] == 1
    if not engaged.any():
        raise SessionError(f"latency of session {session.path.name}", found="no engaged joint target in it")
    seq, t_pose = targets["seq"][engaged], targets["t_pose"][engaged]
    t_start = t_pose if since == "received" else _sent_at(session, targets["pose_seq"][engaged]) - sender_ahead_ns
    cycles = session.streams[hand]
    used, first = np.unique(cycles["target_seq"], return_index=True)
    t_torque = cycles["t_command"][first]
    carried, here, there = np.intersect1d(seq, used, return_indices=True)
    if not len(carried):
        raise SessionError(f"latency of session {session.path.name}", found="no target reached the CAN bus")
    return {
        "pose_to_target": (targets.t_mono[engaged] - t_start) / 1e6,
        "pose_to_can": (t_torque[there] - t_start[here]) / 1e6,
    }


def _sent_at(session: Session, pose_seq: Array) -> Array:
    poses = session.streams["hand_pose"]
    order = np.argsort(poses["seq"])
    found = order[np.searchsorted(poses["seq"], pose_seq, sorter=order).clip(max=len(order) - 1)]
    sent: Array = poses["t_dev"][found]
    return sent


def clock_ahead_ns(session: Session, stream: str) -> int:
    """How far a device's clock is ahead of the host's, ns: the median over the faster half of its exchanges.

    The error is at most half of their round trip. Raises SessionError where nothing was exchanged.
    """
    samples = session.streams.get(stream)
    if samples is None:
        raise SessionError(f"the clock of session {session.path.name}", found=f"no stream {stream}")
    fast = samples["rtt"] <= np.median(samples["rtt"])
    ahead = samples["t_dev"][fast] - samples.t_mono[fast]
    return int(np.sort(ahead)[len(ahead) // 2])


def percentiles(latencies_ms: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """p50 and p99 of each latency, ms."""
    return {
        name: {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}
        for name, values in latencies_ms.items()
    }
