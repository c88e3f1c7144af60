"""The hand's state machine as a table: from every state, by every cause."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.allegro.controller import Drive
from drivers.allegro.safety import DRIVE, HandState, SafetyMachine, Transition
from skin_teleop.clock import NS_PER_MS, Stamp
from skin_teleop.messages import HandCommand, JointTarget

OFF, READY, FOLLOW, HOLD, RELAX, FAULT = HandState
T0 = 10**12


def target(seq: int, *, engaged: int = 1, valid_until: int = T0 + 10**10, value: float = 0.3) -> JointTarget:
    return JointTarget.stamped(
        Stamp(0, 0, 0),
        seq,
        target=np.full(16, value, np.float32),
        engaged=engaged,
        valid_until=valid_until,
        pose_seq=0,
        t_pose=0,
    )


def machine_in(state: HandState) -> SafetyMachine:
    """A machine that was armed and has come to a state by the usual road; its last target was seq 1 at T0."""
    machine = SafetyMachine(100, 1000)
    if state is OFF:
        return machine
    machine.started()
    machine.obey(HandCommand("arm"))
    if state is not READY:
        machine.offer(target(1), T0)
    if state is HOLD:
        machine.offer(target(2, engaged=0), T0)
    if state is RELAX:
        machine.tick(T0 + 101 * NS_PER_MS)
        machine.tick(T0 + 1001 * NS_PER_MS)
    if state is FAULT:
        machine.obey(HandCommand("emergency_stop"))
    assert machine.state is state
    machine.take_transitions()
    return machine


STIMULI = {
    "arm": lambda m: m.obey(HandCommand("arm")),
    "disarm": lambda m: m.obey(HandCommand("disarm")),
    "stop": lambda m: m.obey(HandCommand("stop")),
    "emergency_stop": lambda m: m.obey(HandCommand("emergency_stop")),
    "started": lambda m: m.started(),
    "silence": lambda m: m.fault("pose frames stopped", latched=False),
    "engaged": lambda m: m.offer(target(9), T0 + NS_PER_MS),
    "disengaged": lambda m: m.offer(target(9, engaged=0), T0 + NS_PER_MS),
    "101 ms": lambda m: m.tick(T0 + 101 * NS_PER_MS),
    "2 s": lambda m: m.tick(T0 + 2000 * NS_PER_MS),
}
#                  OFF    READY   FOLLOW  HOLD    RELAX   FAULT (latched)
TABLE = {
    "arm": [OFF, READY, FOLLOW, HOLD, RELAX, FAULT],
    "disarm": [OFF, READY, READY, READY, READY, OFF],
    "stop": [OFF, READY, HOLD, HOLD, RELAX, FAULT],
    "emergency_stop": [FAULT, FAULT, FAULT, FAULT, FAULT, FAULT],
    "started": [READY, READY, FOLLOW, HOLD, RELAX, FAULT],
    "silence": [FAULT, FAULT, FAULT, FAULT, FAULT, FAULT],
    "engaged": [OFF, FOLLOW, FOLLOW, FOLLOW, FOLLOW, FAULT],
    "disengaged": [OFF, READY, HOLD, HOLD, RELAX, FAULT],
    "101 ms": [OFF, READY, HOLD, HOLD, RELAX, FAULT],
    "2 s": [OFF, READY, RELAX, RELAX, RELAX, FAULT],
}


@pytest.mark.parametrize("before", HandState)
@pytest.mark.parametrize("stimulus", STIMULI)
def test_the_table(before, stimulus):
    machine = machine_in(before)
    STIMULI[stimulus](machine)
    after = TABLE[stimulus][before]
    assert machine.state is after
    changes = machine.take_transitions()
    assert [before, *(change.after for change in changes)] == [*(change.before for change in changes), after]
    assert all(change.before is not change.after and change.cause for change in changes)
    assert machine.take_transitions() == []


def test_what_the_motors_do_in_each_state():
    assert [DRIVE[state] for state in HandState] == [
        Drive.NONE,
        Drive.DAMP,
        Drive.FOLLOW,
        Drive.HOLD,
        Drive.DAMP,
        Drive.NONE,
    ]


@pytest.mark.parametrize("state", [READY, HOLD, RELAX])
@pytest.mark.parametrize("action", ["disarm", "stop"])
def test_without_arm_no_target_moves_the_hand(state, action):
    machine = machine_in(state)
    machine.obey(HandCommand(action))
    assert not machine.offer(target(9), T0)
    assert machine.state is not FOLLOW
    machine.obey(HandCommand("arm"))
    assert machine.offer(target(10), T0)


@pytest.mark.parametrize(
    "bad",
    [
        target(2, value=np.nan),
        target(2, value=np.inf),
        target(2, valid_until=T0 - 1),
        target(1),
        target(0),
        target(2**32 - 1),
    ],
    ids=["nan", "inf", "outdated", "repeated", "older", "older across the wrap"],
)
def test_bad_targets_are_refused_and_counted(bad):
    machine = machine_in(FOLLOW)
    assert not machine.offer(bad, T0)
    assert machine.refused == 1
    assert machine.offer(target(2), T0)
    assert machine.refused == 1


def test_refused_targets_do_not_keep_the_hand_following():
    machine = machine_in(FOLLOW)
    for ms in range(0, 120, 10):
        machine.offer(target(1), T0 + ms * NS_PER_MS)
        machine.tick(T0 + ms * NS_PER_MS)
    assert machine.state is HOLD


def test_sequence_numbers_may_wrap():
    machine = machine_in(READY)
    for seq in (2**32 - 2, 2**32 - 1, 0, 1):
        assert machine.offer(target(seq), T0)


def test_a_restarted_server_is_heard_after_the_hand_has_relaxed():
    machine = machine_in(READY)
    machine.offer(target(5000), T0)
    machine.tick(T0 + 101 * NS_PER_MS)
    assert not machine.offer(target(1), T0 + 500 * NS_PER_MS)
    machine.tick(T0 + 1001 * NS_PER_MS)
    assert machine.state is RELAX
    assert machine.offer(target(2), T0 + 1002 * NS_PER_MS)


def test_past_valid_until_the_hand_holds_even_if_the_target_is_young():
    machine = machine_in(READY)
    machine.offer(target(1, valid_until=T0 + 20 * NS_PER_MS), T0)
    machine.tick(T0 + 20 * NS_PER_MS)
    assert machine.state is FOLLOW
    machine.tick(T0 + 21 * NS_PER_MS)
    assert machine.take_transitions()[-1] == Transition(FOLLOW, HOLD, "targets are stale")


def test_disengaged_targets_keep_the_hand_holding():
    """The operator lets go to move his own hand elsewhere: what the robot holds must not drop while he is there."""
    machine = machine_in(HOLD)
    for ms in range(0, 3000, 20):
        machine.offer(target(10 + ms, engaged=0), T0 + ms * NS_PER_MS)
        machine.tick(T0 + ms * NS_PER_MS)
    assert machine.state is HOLD


def test_a_page_that_streams_on_does_not_keep_a_hand_stiff_that_is_not_armed_any_more():
    machine = machine_in(FOLLOW)
    machine.obey(HandCommand("stop", "connection closed"))
    assert machine.state is HOLD
    for ms in range(0, 1001, 20):
        machine.offer(target(10 + ms, engaged=0), T0 + ms * NS_PER_MS)
        machine.tick(T0 + ms * NS_PER_MS)
        assert machine.state is HOLD, "it does not drop what it holds at once"
    machine.tick(T0 + 1001 * NS_PER_MS)
    assert machine.take_transitions()[-1] == Transition(HOLD, RELAX, "not armed for long")
    assert not machine.offer(target(1009), T0 + 1002 * NS_PER_MS), "the counter of the page is not forgotten"
    assert machine.refused == 1


def test_a_hand_that_is_armed_again_in_time_holds_on():
    machine = machine_in(HOLD)
    machine.obey(HandCommand("stop"))
    machine.tick(T0 + 900 * NS_PER_MS)
    machine.obey(HandCommand("arm"))
    for ms in range(910, 3000, 20):
        machine.offer(target(10 + ms, engaged=0), T0 + ms * NS_PER_MS)
        machine.tick(T0 + ms * NS_PER_MS)
    assert machine.state is HOLD


def test_after_an_emergency_stop_only_disarm_then_arm_helps():
    machine = machine_in(FAULT)
    machine.obey(HandCommand("arm"))
    machine.started()
    assert not machine.offer(target(9), T0)
    assert machine.state is FAULT
    machine.obey(HandCommand("disarm"))
    machine.obey(HandCommand("arm"))
    assert [change.after for change in machine.take_transitions()] == [OFF, READY]
    assert machine.offer(target(10), T0)


def test_after_silence_start_up_leads_to_ready_and_arm_is_needed():
    machine = machine_in(FOLLOW)
    machine.fault("pose frames stopped", latched=False)
    machine.obey(HandCommand("arm"))
    machine.started()
    assert machine.state is READY
    assert not machine.offer(target(9), T0)


def test_the_emergency_stop_outlives_a_silence_before_or_after_it():
    for first, second in [("silence", "emergency_stop"), ("emergency_stop", "silence")]:
        machine = machine_in(FOLLOW)
        STIMULI[first](machine)
        STIMULI[second](machine)
        machine.started()
        assert machine.state is FAULT


def test_arm_before_the_first_start_up_is_not_remembered():
    machine = SafetyMachine(100, 1000)
    machine.obey(HandCommand("arm"))
    machine.started()
    assert not machine.offer(target(1), T0)
    assert machine.state is READY


@given(st.lists(st.sampled_from(sorted(STIMULI)), max_size=30))
def test_no_sequence_follows_without_arm_or_leaves_an_emergency_stop_by_itself(stimuli):
    machine = SafetyMachine(100, 1000)
    for name in stimuli:
        before = machine.state
        STIMULI[name](machine)
        if machine.state is FOLLOW:
            assert machine.armed or before is FOLLOW
        if before is FAULT and machine.state is not FAULT:
            assert name in ("disarm", "started")
        if name == "emergency_stop":
            assert machine.state is FAULT
