"""Latency from a recorded session: every figure comes from the stamps of the rows, nothing is instrumented apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from dataset_tools.reader import Session

from skin_teleop.errors import SessionError
from skin_teleop.transforms import Array


def pose_latencies_ms(session: Session, hand: str) -> dict[str, Array]:
    """Per engaged hand pose: ms from its arrival to its joint target, and to the torque frames that carry it.

    A target that was replaced by a newer one before a control cycle used it does not count as sent.
    Raises SessionError when the session holds no engaged target.
    """
    targets = session.streams[f"{hand}_target"]
    engaged = targets["engaged"] == 1
    if not engaged.any():
        raise SessionError(f"latency of session {session.path.name}", found="no engaged joint target in it")
    seq, t_pose = targets["seq"][engaged], targets["t_pose"][engaged]
    to_target = (targets.t_mono[engaged] - t_pose) / 1e6
    cycles = session.streams[hand]
    used, first = np.unique(cycles["target_seq"], return_index=True)
    t_sent = cycles["t_command"][first]
    sent, here, there = np.intersect1d(seq, used, return_indices=True)
    if not len(sent):
        raise SessionError(f"latency of session {session.path.name}", found="no target reached the CAN bus")
    return {"pose_to_target": to_target, "pose_to_can": (t_sent[there] - t_pose[here]) / 1e6}


def percentiles(latencies_ms: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """p50 and p99 of each latency, ms."""
    return {
        name: {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}
        for name, values in latencies_ms.items()
    }
