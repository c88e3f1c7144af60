"""The record that a page saves of itself: read whole or refused, and played with both hands and its own holds."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from server.operator_client import OperatorClient
from server.protocol import FRAME_BYTES, LEFT, POSE_SHAPE, RIGHT, Flag, PoseFrame, encode_pose_frame
from server.trace import load_trace
from skin_teleop.errors import TraceError

SEEN = Flag.LEFT_VALID | Flag.RIGHT_VALID | Flag.VISIBLE
FLAGS = [SEEN, SEEN | Flag.CLUTCH_LEFT, SEEN | Flag.CLUTCH_LEFT, Flag.LEFT_VALID | Flag.VISIBLE, Flag(0), SEEN]
CAPTURED_MS = [5000.0, 5011.1, 5022.2, 5033.3, 5033.3, 5060.0]
"""The fifth is the hold that a page sends at once when it is not visible any more: as late as the frame before."""


@pytest.fixture
def frames(hand_pose) -> list[PoseFrame]:
    """Six frames of two hands that move."""
    rows = []
    for k, (flags, captured) in enumerate(zip(FLAGS, CAPTURED_MS, strict=True)):
        both = np.empty(POSE_SHAPE, np.float32)
        both[RIGHT] = hand_pose
        both[LEFT] = hand_pose * np.array([-1, 1, 1, 1, 1, 1, 1], np.float32)
        both[..., 0] += np.float32(0.001 * k)
        rows.append(PoseFrame(k + 1, flags, captured, 0.0, k, both))
    return rows


@pytest.fixture
def saved(tmp_path, frames):
    path = tmp_path / "kept.frames"
    path.write_bytes(b"".join(map(encode_pose_frame, frames)))
    return path


def test_every_frame_is_read_at_its_own_time(saved, frames):
    trace = load_trace(saved)
    assert b"".join(map(encode_pose_frame, trace.frames)) == saved.read_bytes()
    np.testing.assert_allclose(trace.t_s, [0, 0.0111, 0.0222, 0.0333, 0.0333, 0.06], atol=1e-6)
    assert trace.valid.tolist() == [True, True, True, False, False, True]
    assert trace.pose[1].tobytes() == frames[1].pose[RIGHT].tobytes()
    assert not trace.pose[3].any() and trace.invalid_rows == 2
    assert load_trace(saved, rate_hz=10).t_s.tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda content: b"", "0 bytes"),
        (lambda content: content[:-1], f"{6 * FRAME_BYTES - 1} bytes"),
        (lambda content: content[:FRAME_BYTES] + b"\x00" + content[FRAME_BYTES + 1 :], "wrong magic or version"),
    ],
)
def test_a_file_that_no_page_wrote_is_refused(saved, spoil, why):
    saved.write_bytes(spoil(saved.read_bytes()))
    with pytest.raises(TraceError, match=why):
        load_trace(saved)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TraceError, match=r"absent\.frames was asked for"):
        load_trace(tmp_path / "absent.frames")


def test_playing_it_sends_the_same_hands_and_flags(served, poll, saved, frames):
    async def operate() -> None:
        async with OperatorClient(served.url, "a-test-token") as client:
            await client.arm()
            played = await client.play(load_trace(saved))
            assert (played.frames, played.invalid) == (6, 2)
            await client.acknowledged()

    asyncio.run(operate())
    poll(lambda: "disconnected" in served.event_names(), "the disconnection")
    rows = served.stream("hand_pose")
    assert b"".join(row.pose.tobytes() for row in rows) == b"".join(frame.pose.tobytes() for frame in frames)
    assert [row.valid.tolist() for row in rows] == [[1, 1], [1, 1], [1, 1], [1, 0], [0, 0], [1, 1]]
    names = served.event_names()
    assert names.index("engaged") < names.index("released")
