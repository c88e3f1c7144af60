"""A rig of two hands at the server: two followers, one arming, and a fault of one hand that stops both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from server.follower import Follower, Released, Work
from server.hand_follower import TrackedPose, driving_hands
from server.hand_frames import mirrored_hand, right_hand_quaternions
from server.newest import Newest
from server.operator_motion.gestures import gesture_trace
from server.protocol import LEFT, POSE_SHAPE, RIGHT, Flag, PoseFrame, encode_pose_frame
from server.retargeting.calibration import Calibration
from server.teleop import Teleop
from skin_teleop.bus import CommandInbox, Publisher
from skin_teleop.clock import Stamp
from skin_teleop.hand import hand_model
from skin_teleop.messages import HandCommand, HandHealth, JointTarget, Sample, WristTarget
from skin_teleop.rig import load_rig

RIG = load_rig("simulated_two_hands")
POSE = gesture_trace("pinch").pose[10]
BOTH = Flag.LEFT_VALID | Flag.RIGHT_VALID | Flag.VISIBLE | Flag.CLUTCH_LEFT
HANDS = ("hand", "second_hand")


class Wire:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Sample]] = []

    def send(self, message: Sample, stream: str) -> None:
        self.sent.append((stream, message))


@pytest.fixture
def follower(runtime: Path) -> Follower:
    made, wire = Follower(RIG, runtime, Newest[Work]()), Wire()
    for hand in made.hands.values():
        hand.connect(wire, Wire())
    return made


def sent(follower: Follower) -> list[tuple[str, Sample]]:
    return follower.hands["hand"]._publisher.sent  # type: ignore[attr-defined, no-any-return]


def test_each_hand_is_driven_by_the_operators_hand_of_its_side() -> None:
    assert driving_hands(RIG) == {"hand": "right", "second_hand": "left"}
    assert driving_hands(load_rig("simulated_left")) == {"hand": "right"}


def test_two_followers_answer_one_frame_and_withdraw_together(follower: Follower) -> None:
    poses = {"hand": TrackedPose(POSE, 7, 10**9, 3), "second_hand": TrackedPose(mirrored_hand(POSE), 7, 10**9, 3)}
    follower.serve(poses)
    streams = ["allegro_target", "wrist", "allegro_left_target", "allegro_left_wrist"]
    assert [stream for stream, _ in sent(follower)] == streams
    right, left = (message for _, message in sent(follower) if isinstance(message, JointTarget))
    assert (right.engaged, left.engaged, right.pose_seq, left.pose_seq) == (1, 1, 7, 7)
    mirrored = hand_model("allegro_v4_left").mirrored(right.target)
    np.testing.assert_allclose(left.target, mirrored, atol=1e-3)
    wrists = [message for _, message in sent(follower) if isinstance(message, WristTarget)]
    np.testing.assert_allclose([wrist.pose[1] for wrist in wrists], [0.0, 0.4], atol=1e-6)
    follower.serve(Released())
    withdrawn = [message for _, message in sent(follower)[4:] if isinstance(message, JointTarget)]
    assert [target.engaged for target in withdrawn] == [0, 0]


def test_a_hand_out_of_sight_leaves_the_other_ones_target_alone(follower: Follower) -> None:
    follower.serve({"second_hand": TrackedPose(mirrored_hand(POSE), 1, 10**9, 1)})
    assert [stream for stream, _ in sent(follower)] == ["allegro_left_target", "allegro_left_wrist"]
    assert (follower.hands["hand"].targets, follower.hands["second_hand"].targets) == (0, 1)


def test_the_wrong_hand_is_held_and_named(follower: Follower) -> None:
    follower.serve({"hand": TrackedPose(POSE, 1, 10**9, 1), "second_hand": TrackedPose(POSE, 1, 10**9, 1)})
    assert follower.hands["hand"].held_because == ""
    assert "those of the other hand than the left one" in follower.hands["second_hand"].held_because


def test_one_calibration_serves_both_hands(follower: Follower) -> None:
    def scales() -> list[list[float]]:
        return [hand.finger_scale for hand in follower.hands.values()]

    assert scales() == [[1.25] * 4] * 2
    measured = (1.1, 1.2, 1.3, 0.9)
    reach_m = (0.17, 0.18, 0.17, 0.12)
    follower.use(Calibration("skin_teleop.calibration/2", "p07", "allegro_v4_right", measured, reach_m, 0.9, 300))
    assert scales() == [list(measured)] * 2
    follower.use(None)
    assert scales() == [[1.25] * 4] * 2


def test_a_mirrored_hand_keeps_the_conventions_of_webxr() -> None:
    """Mirroring twice gives the hand again; its frames turn with it: a left hand's -Z still points along its bones."""
    left = mirrored_hand(POSE)
    np.testing.assert_array_equal(mirrored_hand(left), POSE)
    keypoints = POSE[None, :, :3]
    right = np.concatenate([keypoints, right_hand_quaternions(keypoints)], -1)[0]
    for joint, following in ((6, 7), (11, 12), (21, 22)):
        pose = mirrored_hand(right)
        x, y, z, w = pose[joint, 3:]
        forward = -np.array([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)])
        bone = pose[following, :3] - pose[joint, :3]
        np.testing.assert_allclose(forward, bone / np.linalg.norm(bone), atol=1e-5)


class Desk:
    """A Teleop of two hands with the ends of both hand nodes."""

    def __init__(self, runtime: Path) -> None:
        self.work = Newest[Work]()
        self.inboxes = [CommandInbox(runtime, hand) for hand in HANDS]
        self.healths = [Publisher(runtime, hand) for hand in HANDS]
        self.teleop = Teleop(RIG, runtime, self.work, lambda _: None)
        self.teleop.open("test", lambda _: None)
        self._seq = 0

    def frame(self, flags: Flag = BOTH) -> Work | None:
        both = np.zeros(POSE_SHAPE, np.float32)
        both[RIGHT], both[LEFT] = POSE, mirrored_hand(POSE)
        self._seq += 1
        self.teleop.receive_pose(encode_pose_frame(PoseFrame(self._seq, flags, 1.0 * self._seq, 0.0, self._seq, both)))
        return self.work.take(0)

    def orders(self, count: int) -> list[list[HandCommand]]:
        taken: list[list[HandCommand]] = []
        for inbox in self.inboxes:
            got: list[HandCommand] = []
            while len(got) < count and inbox.wait(2.0):
                got += [message for message in inbox.drain() if isinstance(message, HandCommand)]
            taken.append(got)
        return taken

    def close(self) -> None:
        self.teleop.close()
        for part in (*self.inboxes, *self.healths):
            part.close()


@pytest.fixture
def desk(runtime: Path) -> Iterator[Desk]:
    made = Desk(runtime)
    yield made
    made.close()


def test_motion_needs_both_hands_in_sight(desk: Desk) -> None:
    desk.teleop.state.arm()
    one = desk.frame(BOTH & ~Flag.LEFT_VALID)
    assert isinstance(one, dict)
    assert {hand: pose.engagement for hand, pose in one.items()} == {"hand": 0}
    both = desk.frame()
    assert isinstance(both, dict)
    assert {hand: pose.engagement for hand, pose in both.items()} == {"hand": 1, "second_hand": 1}
    assert both["second_hand"].pose[5, 0] == -both["hand"].pose[5, 0]


def test_a_fault_of_one_hand_disarms_both(desk: Desk, wait_factor: float) -> None:
    desk.teleop.receive_control('{"type":"arm"}')
    desk.frame()
    assert desk.teleop.state.engaged
    for _ in range(int(400 * wait_factor)):
        for publisher, state, name in zip(desk.healths, (2, 5), ("allegro", "allegro_left"), strict=True):
            publisher.send(health(state), f"{name}_health")
        desk.teleop.tick()
        if desk.teleop.hands.words == "allegro FOLLOW, allegro_left FAULT":
            break
        desk.inboxes[0].wait(0.01)
    assert desk.teleop.state.cause == "the robot hand allegro_left reports a fault"
    cause = "the robot hand allegro_left reports a fault"
    assert desk.orders(2) == [[HandCommand("arm", "operator armed"), HandCommand("stop", cause)]] * 2


def health(state: int) -> HandHealth:
    return HandHealth.stamped(
        Stamp.now(), 1, temperature=np.full(16, 40), status=0, state=state, overruns=0, missing=0, refused=0,
        pressure=np.full(4, np.nan),
    )  # fmt: skip
