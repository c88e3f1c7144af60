"""What the hand's bench counts: a late answer of the node is not a skipped period of the hand."""

from __future__ import annotations

import numpy as np
import pytest

from skin_teleop.cli.bench_hand import _evenness
from skin_teleop.clock import NS_PER_MS, Stamp
from skin_teleop.messages import JointState


def cycles(arrived_ms: list[float], response_ms: list[float]) -> list[JointState]:
    zeros = dict.fromkeys(("position", "velocity", "target", "torque_command"), np.zeros(16))
    return [
        JointState.stamped(
            Stamp(0, round(arrived * NS_PER_MS), 0),
            seq,
            target_seq=0,
            t_command=round((arrived + response) * NS_PER_MS),
            **zeros,
        )
        for seq, (arrived, response) in enumerate(zip(arrived_ms, response_ms, strict=True))
    ]


def test_an_even_hand_and_a_prompt_node_miss_nothing():
    told = _evenness(cycles([3.0 * k for k in range(101)], [0.4] * 101), 3)
    assert told["loop_hz"] == pytest.approx(1000 / 3)
    assert told["jitter_ms_p99"] == pytest.approx(0, abs=1e-9)
    assert told["response_ms_p50"] == pytest.approx(0.4)
    assert (told["missed_cycles"], told["hand_skipped"]) == (0, 0)


def test_a_late_answer_is_missed_and_a_late_hand_is_skipped():
    arrived_ms = [0, 3, 6, 15, 18, 21]  # two periods without pose frames
    told = _evenness(cycles(arrived_ms, [0.4, 3.2, 0.4, 0.4, 7.0, 2.9]), 3)
    assert (told["missed_cycles"], told["hand_skipped"]) == (2, 2)
    assert told["jitter_ms_p99"] > 5
    assert told["response_ms_p99"] > 6
