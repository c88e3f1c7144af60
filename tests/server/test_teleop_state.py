"""The state machine as a table: what each frame does in each state, with injected time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.teleop_state import LOST_AFTER_NS, MAX_ACK_LAG, MAX_POSE_AGE_NS, FrameFacts, State, TeleopState
from skin_teleop.messages import EVENT_CODES

MS = 1_000_000
GOOD = FrameFacts(seq=1, ack_seq=0, tracked=True, visible=True, dead_man=True, emergency_stop=False)


def frame(seq: int, **changes) -> FrameFacts:
    return dataclasses.replace(GOOD, seq=seq, ack_seq=seq - 1, **changes)


def engaged() -> TeleopState:
    teleop = TeleopState()
    teleop.connect()
    teleop.arm()
    assert [t.event for t in teleop.frame(frame(1), 0)] == ["engaged"]
    return teleop


def test_nothing_moves_before_arming():
    teleop = TeleopState()
    assert teleop.frame(frame(1), 0) == []
    assert teleop.state is State.DISARMED
    assert teleop.engagement == 0


@pytest.mark.parametrize("change", [{"tracked": False}, {"visible": False}, {"dead_man": False}])
def test_armed_is_not_enough_to_engage(change):
    teleop = TeleopState()
    assert [t.event for t in teleop.arm()] == ["armed"]
    assert teleop.frame(frame(1, **change), 0) == []
    assert teleop.state is State.ARMED


@pytest.mark.parametrize(
    ("change", "event", "cause"),
    [
        ({"dead_man": False}, "released", "dead-man let go"),
        ({"visible": False}, "released", "page not visible"),
        ({"ack_seq": 1, "seq": 2 + MAX_ACK_LAG}, "released", "link slow: 31 frames without an ack"),
        ({"age_ns": MAX_POSE_AGE_NS + MS}, "released", "pose is 251 ms old"),
    ],
)
def test_a_frame_releases_at_once(change, event, cause):
    teleop = engaged()
    (change_of_state,) = teleop.frame(dataclasses.replace(frame(2), **change), 10 * MS)
    assert (change_of_state.event, change_of_state.cause, change_of_state.state) == (event, cause, State.ARMED)


def test_a_short_loss_of_tracking_is_bridged_and_a_long_one_releases():
    teleop = engaged()
    assert teleop.frame(frame(2, tracked=False), LOST_AFTER_NS) == []
    assert teleop.engaged
    (lost,) = teleop.frame(frame(3, tracked=False), LOST_AFTER_NS + 1)
    assert (lost.event, lost.cause) == ("tracking_lost", "tracking lost")


def test_a_lost_hand_is_noticed_between_the_frames_of_a_slow_browser():
    teleop = engaged()
    ticks = [teleop.tick(now) for now in range(10 * MS, 60 * MS, 10 * MS)]
    assert teleop.frame(frame(2, tracked=False), 60 * MS) == []
    ticks += [teleop.tick(now) for now in range(70 * MS, 120 * MS, 10 * MS)]
    released = [(k, change.event, change.cause) for k, changes in enumerate(ticks) for change in changes]
    assert released == [(9, "tracking_lost", "tracking lost")]  # 110 ms after the hand was seen last


def test_silence_releases_and_the_next_frame_is_a_new_engagement():
    teleop = engaged()
    assert teleop.tick(LOST_AFTER_NS) == []
    (silent,) = teleop.tick(LOST_AFTER_NS + 1)
    assert (silent.event, silent.cause) == ("released", "no frame for 100 ms")
    assert teleop.tick(LOST_AFTER_NS + 2) == []
    assert [t.event for t in teleop.frame(frame(2), 200 * MS)] == ["engaged"]
    assert teleop.engagement == 2


def test_disarming_releases_first_and_needs_a_new_arm():
    teleop = engaged()
    assert [t.event for t in teleop.stand_down("connection closed")] == ["released", "disarmed"]
    assert teleop.stand_down("again") == []
    assert teleop.frame(frame(2), MS) == []
    assert [t.event for t in teleop.arm()] == ["armed"]
    assert teleop.arm() == []


@pytest.mark.parametrize(
    ("act", "orders"),
    [
        (lambda teleop: teleop.disarm(), [None, "disarm"]),
        (lambda teleop: teleop.stand_down("the robot hand reports a fault"), [None, "stop"]),
        (lambda teleop: teleop.emergency_stop(), [None, "emergency_stop"]),
        (lambda teleop: teleop.recentred(), [None]),
    ],
)
def test_only_a_person_orders_the_disarm_that_acknowledges_a_fault(act, orders):
    teleop = engaged()
    assert [t.order for t in act(teleop)] == orders
    assert [t.order for t in teleop.disarm()] == ["disarm"]  # of a disarmed rig too: the hand may wait for it


def test_after_recentring_the_dead_man_must_be_let_go_first():
    teleop = engaged()
    (change,) = teleop.recentred()
    assert (change.event, change.cause) == ("released", "the view was recentred: let go, then hold again")
    assert (teleop.frame(frame(2), MS), teleop.cause) == ([], change.cause)
    assert (teleop.frame(frame(3, dead_man=False), 2 * MS), teleop.cause) == ([], "dead-man let go")
    assert [t.event for t in teleop.frame(frame(4), 3 * MS)] == ["engaged"]


def test_a_hold_that_recentring_refuses_is_told_whatever_released_before():
    teleop = engaged()
    (change,) = teleop.frame(frame(2, visible=False), MS)  # the headset blurs the page before it tells the reset
    assert teleop.recentred() == []
    assert (change.cause, teleop.state) == ("page not visible", State.ARMED)
    assert teleop.frame(frame(3), 2 * MS) == []  # held at the desk
    assert teleop.cause == "the view was recentred: let go, then hold again"
    assert (teleop.frame(frame(4, dead_man=False), 3 * MS), teleop.cause) == ([], "dead-man let go")
    assert [t.event for t in teleop.frame(frame(5), 4 * MS)] == ["engaged"]


def test_every_push_of_stop_is_an_order_of_its_own():
    teleop = engaged()
    orders = [[t.order for t in teleop.emergency_stop()] for _ in range(3)]
    assert orders == [[None, "emergency_stop"], ["emergency_stop"], ["emergency_stop"]]


def test_nothing_arms_after_an_emergency_stop_until_a_person_disarmed():
    for stop in (lambda t: t.emergency_stop(), lambda t: t.frame(frame(2, emergency_stop=True), MS)):
        teleop = engaged()
        stop(teleop)
        teleop.stand_down("connection closed")
        teleop.connect()
        assert (teleop.stopped, teleop.arm()) == (True, [])
        teleop.disarm()
        assert (teleop.stopped, [t.event for t in teleop.arm()]) == (False, ["armed"])


def test_an_emergency_stop_is_said_once_however_long_the_flag_is_held():
    teleop = engaged()
    events = [t.event for seq in range(2, 6) for t in teleop.frame(frame(seq, emergency_stop=True), seq * MS)]
    assert events == ["released", "emergency_stop"]
    assert teleop.state is State.DISARMED
    assert [t.event for t in teleop.emergency_stop()] == ["emergency_stop"]


def test_only_growing_sequence_numbers_are_accepted_until_a_new_connection():
    teleop = engaged()
    teleop.frame(frame(7), MS)
    assert [teleop.accepts(seq) for seq in (1, 6, 7, 8, 2**32 - 1)] == [False, False, False, True, True]
    teleop.connect()
    assert teleop.accepts(1)


def test_the_ack_lag_counts_from_the_first_frame_of_a_connection():
    teleop = TeleopState()
    teleop.arm()
    assert [t.event for t in teleop.frame(dataclasses.replace(GOOD, seq=5000, ack_seq=0), 0)] == ["engaged"]


actions = st.one_of(
    st.sampled_from(["arm", "disarm", "emergency_stop", "connect", "recentred"]),
    st.integers(1, 300).map(lambda ms: ("tick", ms)),
    st.builds(
        lambda tracked, visible, dead_man, stop: FrameFacts(0, 0, tracked, visible, dead_man, stop),
        st.booleans(), st.booleans(), st.booleans(), st.sampled_from([False, False, False, True]),
    ),
)  # fmt: skip


@given(st.lists(actions, max_size=60))
def test_motion_is_granted_only_on_good_frames_after_an_arm(steps):
    teleop, now, seq, armed, stopped = TeleopState(), 0, 0, False, False
    for step in steps:
        if isinstance(step, FrameFacts):
            seq, now = seq + 1, now + 14 * MS
            transitions = teleop.frame(dataclasses.replace(step, seq=seq, ack_seq=seq), now)
            armed &= not step.emergency_stop
            stopped |= step.emergency_stop
            if teleop.engaged:
                assert step.dead_man and step.visible and not step.emergency_stop
        elif isinstance(step, tuple):
            now += step[1] * MS
            transitions = teleop.tick(now)
            assert not (teleop.engaged and step[1] > 100)
        else:
            transitions = getattr(teleop, step)() or []
            stopped = {"emergency_stop": True, "disarm": False}.get(step, stopped)
            armed = {"arm": not stopped, "connect": armed, "recentred": armed}.get(step, False)
        assert (teleop.state is State.DISARMED) == (not armed)
        assert all(t.event in EVENT_CODES for t in transitions)
        assert not transitions or transitions[-1].state is teleop.state
