"""The follower holds what cannot be a hand, and tells when and why in the rig's events."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from server.follower import Follower
from server.hand_follower import HandFollower, TrackedPose
from server.newest import Newest
from server.operator_motion.gestures import gesture_trace
from skin_teleop.clock import NS_PER_MS
from skin_teleop.messages import Event, JointTarget, Sample
from skin_teleop.rig import load_rig

POSES = gesture_trace("pinch").pose
FRAME_NS = 14 * NS_PER_MS


class Wire:
    """Keeps what a publisher or a feed is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Sample]] = []

    def send(self, message: Sample, stream: str) -> None:
        self.sent.append((stream, message))

    def events(self) -> list[dict[str, object]]:
        named = [message for stream, message in self.sent if stream == "events" and isinstance(message, Event)]
        return [{"name": event.name, "seq": event.seq, **event.facts} for event in named]

    def targets(self) -> list[JointTarget]:
        return [message for _, message in self.sent if isinstance(message, JointTarget)]


@pytest.fixture
def follower() -> HandFollower:
    made, wire = HandFollower(load_rig("simulated"), "hand"), Wire()
    made.connect(wire, wire)
    return made


def play(follower: HandFollower, poses: list[np.ndarray]) -> Wire:
    for k, pose in enumerate(poses):
        follower.follow(TrackedPose(pose, k, 1_000_000_000 + k * FRAME_NS, 1))
    return follower._feed  # type: ignore[return-value]


def other_hand(pose: np.ndarray) -> np.ndarray:
    return np.concatenate([pose[:, :3] * [-1, 1, 1], pose[:, 3:]], -1)


def test_a_hold_is_an_event_with_its_cause_at_its_begin_and_its_length_at_its_end(follower: HandFollower) -> None:
    wire = play(follower, [POSES[0], POSES[1], *[POSES[2] * np.nan] * 3, POSES[5], POSES[6]])
    begin, end = wire.events()
    cause = "a joint is not a finite number"
    assert begin == {"name": "target_held", "seq": 1, "device": "allegro", "edge": "begin", "cause": cause, "poses": 0}
    assert end == {"name": "target_held", "seq": 2, "device": "allegro", "edge": "end", "cause": cause, "poses": 3}
    assert (follower.held, follower.held_because) == (3, "")
    assert [target.pose_seq for target in wire.targets() if target.engaged] == [0, 0, 1, 1, 5, 5, 6, 6]
    assert len(wire.targets()) == 8  # each is published and recorded


def test_the_cause_is_shown_while_the_hand_is_not_followed(follower: HandFollower) -> None:
    play(follower, [POSES[0], other_hand(POSES[1])])
    assert "a fingertip moved at" in follower.held_because or "other hand" in follower.held_because
    assert follower.held == 1


def test_every_hold_has_its_own_pair_of_events(follower: HandFollower) -> None:
    wire = play(follower, [POSES[0], POSES[1] * np.nan, POSES[2], POSES[3] * np.nan, POSES[3] * np.nan, POSES[5]])
    assert [(event["edge"], event["poses"]) for event in wire.events()] == [
        ("begin", 0), ("end", 1), ("begin", 0), ("end", 2),
    ]  # fmt: skip


def test_a_release_in_a_frame_that_is_held_withdraws_the_target(follower: HandFollower) -> None:
    wire = play(follower, [POSES[0], POSES[1]])
    follower.follow(TrackedPose(POSES[2] * np.nan, 2, 1_100_000_000, 0))
    follower.follow(TrackedPose(POSES[3] * np.nan, 3, 1_200_000_000, 0))
    assert [(target.pose_seq, target.engaged) for target in wire.targets()[::2]] == [(0, 1), (1, 1), (1, 0)]


def test_a_hand_that_is_missing_where_nothing_is_granted_is_withdrawn(tmp_path: Path) -> None:
    follower, wire = Follower(load_rig("simulated_two_hands"), tmp_path, Newest()), Wire()
    for hand in follower.hands.values():
        hand.connect(wire, wire)
    right, left = (TrackedPose(pose, 0, 1_000_000_000, 1) for pose in (POSES[0], other_hand(POSES[0])))
    follower.serve({"hand": right, "second_hand": left})
    follower.serve({"hand": dataclasses.replace(right, t_pose_ns=1_014_000_000)})
    named = [(stream, message.engaged) for stream, message in wire.sent[::4] if isinstance(message, JointTarget)]
    assert named == [("allegro_target", 1), ("allegro_left_target", 1), ("allegro_target", 1)]
    wire.sent.clear()
    # The news of the release was overwritten by a frame that has one hand only.
    follower.serve({"hand": dataclasses.replace(right, t_pose_ns=1_028_000_000, engagement=0)})
    named = [(stream, message.engaged) for stream, message in wire.sent[::4] if isinstance(message, JointTarget)]
    assert named == [("allegro_target", 0), ("allegro_left_target", 0)]


def test_no_joint_jumps_when_the_hand_comes_back_where_it_was(follower: HandFollower) -> None:
    wire = play(follower, [*[POSES[0]] * 5, *[POSES[0] * np.nan] * 5, *[POSES[0]] * 3])
    rows = np.array([target.target for target in wire.targets()])
    assert np.abs(np.diff(rows, axis=0)).max() < 1e-6
    assert len(rows) == 2 * 8
