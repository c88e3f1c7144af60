"""The hand's last line of safety: which state it is in, which targets it accepts. Pure; time is injected.

    OFF ──started──▶ READY ──armed, engaged target──▶ FOLLOW ◀──engaged target── HOLD, RELAX
     ▲                 ▲                                │  disengaged, stale, stop      ▲
     │ disarm          └──disarm── FOLLOW, HOLD, RELAX  └──────────▶ HOLD ──long stale──┘ (RELAX)
   FAULT ◀── emergency stop, hand's fault bits, long silence of the hand, servo lost: from any state

HOLD is stiff, so it outlives the operator's release only while he is armed: after `stop` the targets of a page that
goes on streaming do not keep it, and it becomes RELAX as if they were silent.

FAULT has no torque and the servo off. After an emergency stop or a fault that the hand reports it lasts until an
explicit disarm (to OFF) and then arm (to READY, armed). After a long silence of the hand or a servo that went off by
itself it lasts until start-up has been done again, then READY, which needs a new arm. A short silence only pauses:
FOLLOW becomes HOLD, the node sends no torque, and `arm` outlives it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from drivers.allegro.controller import Drive
from skin_teleop.clock import NS_PER_MS
from skin_teleop.messages import HandCommand, JointTarget

SEQ_HALF_RANGE = 1 << 31
"""A sequence number counts as older when it lies in the half range behind the last one (32-bit counters wrap)."""


class HandState(enum.IntEnum):
    """State of the hand node, as in `HandHealth.state`."""

    OFF = 0
    READY = 1
    FOLLOW = 2
    HOLD = 3
    RELAX = 4
    FAULT = 5


DRIVE = {
    HandState.OFF: Drive.NONE,
    HandState.READY: Drive.DAMP,
    HandState.FOLLOW: Drive.FOLLOW,
    HandState.HOLD: Drive.HOLD,
    HandState.RELAX: Drive.DAMP,
    HandState.FAULT: Drive.NONE,
}
"""What the motors do in each state."""
UNPOWERED = (HandState.OFF, HandState.FAULT)
MOVING = (HandState.FOLLOW, HandState.HOLD, HandState.RELAX)


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state and why; from a state to itself where only the cause is news."""

    before: HandState
    after: HandState
    cause: str


class SafetyMachine:
    """Decides the state from commands, targets, faults and time; `take_transitions` tells what happened."""

    def __init__(self, hold_after_ms: int, relax_after_ms: int) -> None:
        self._hold_after_ns = hold_after_ms * NS_PER_MS
        self._relax_after_ns = relax_after_ms * NS_PER_MS
        self._transitions: list[Transition] = []
        self._latched = False
        self._woken = False
        self._last_seq: int | None = None
        self._accepted_ns = self._accepted_armed_ns = 0
        self._valid_until_ns = 0
        self.state = HandState.OFF
        self.armed = False
        self.refused = 0
        """Targets refused since the start."""

    @property
    def drive(self) -> Drive:
        """What the motors do now."""
        return DRIVE[self.state]

    def take_transitions(self) -> list[Transition]:
        """Every change of state since the last call, in order."""
        taken, self._transitions = self._transitions, []
        return taken

    def started(self) -> None:
        """Start-up is done; the servo may go on unless an emergency stop or a fault was not acknowledged yet."""
        self._woken = True
        if self.state in UNPOWERED and not self._latched:
            self._go(HandState.READY, "start-up done")

    def fault(self, cause: str, *, latched: bool) -> None:
        """Cut the torque; a latched fault needs a disarm before anything else."""
        self.armed = False
        self._latched = self._latched or latched
        if self.state is not HandState.FAULT:
            self._go(HandState.FAULT, cause)

    def pause(self, cause: str) -> None:
        """The hand is silent for a moment: whatever moved stops moving, and resumes with the next engaged target."""
        if self.state is HandState.FOLLOW:
            self._go(HandState.HOLD, cause)

    def obey(self, command: HandCommand) -> None:
        """Act on a command; one that has no meaning in this state changes nothing."""
        cause = f"{command.action}: {command.reason}" if command.reason else command.action
        match command.action:
            case "arm":
                self._arm(cause)
            case "disarm":
                self._disarm(cause)
            case "stop":
                self.armed = False
                if self.state is HandState.FOLLOW:
                    self._go(HandState.HOLD, cause)
            case "emergency_stop":
                self.fault(cause, latched=True)

    def _arm(self, cause: str) -> None:
        if self.state is HandState.FAULT or not self._woken:
            return
        self.armed = True
        if self.state is HandState.OFF:
            self._go(HandState.READY, cause)

    def _disarm(self, cause: str) -> None:
        self.armed = False
        if self.state in MOVING:
            self._go(HandState.READY, cause)
        elif self.state is HandState.FAULT and self._latched:
            self._latched = False
            self._go(HandState.OFF, cause)

    def offer(self, target: JointTarget, now_ns: int) -> bool:
        """Take or refuse a target; True when it was taken and the hand is to move towards it."""
        if self._is_refused(target, now_ns):
            self.refused += 1
            return False
        self._last_seq = target.seq
        self._accepted_ns, self._valid_until_ns = now_ns, target.valid_until
        if self.armed:
            self._accepted_armed_ns = now_ns
        if not target.engaged:
            if self.state is HandState.FOLLOW:
                self._go(HandState.HOLD, "disengaged")
            return False
        if self.armed and self.state in (HandState.READY, HandState.HOLD, HandState.RELAX):
            self._go(HandState.FOLLOW, "engaged")
        return self.state is HandState.FOLLOW

    def _is_refused(self, target: JointTarget, now_ns: int) -> bool:
        if now_ns > target.valid_until or not np.isfinite(target.target).all():
            return True
        if self._last_seq is None:
            return False
        ahead = (target.seq - self._last_seq) % (2 * SEQ_HALF_RANGE)
        return ahead == 0 or ahead >= SEQ_HALF_RANGE

    def tick(self, now_ns: int) -> None:
        """Let time act: stale targets end FOLLOW, a long time without a target for an armed hand ends HOLD."""
        silent_ns = now_ns - self._accepted_ns
        if self.state is HandState.FOLLOW and (silent_ns > self._hold_after_ns or now_ns > self._valid_until_ns):
            self._go(HandState.HOLD, "targets are stale")
        if silent_ns > self._relax_after_ns:
            self._last_seq = None  # a restarted server counts from the beginning again
        if self.state is HandState.HOLD and now_ns - self._accepted_armed_ns > self._relax_after_ns:
            self._go(HandState.RELAX, "no target for long" if self.armed else "not armed for long")

    def _go(self, after: HandState, cause: str) -> None:
        self._transitions.append(Transition(self.state, after, cause))
        self.state = after
