"""When the operator's hand moves the robot's: a state machine without socket, thread or clock.

| from | to | when |
|---|---|---|
| DISARMED | ARMED | the operator arms |
| ARMED | ENGAGED | a frame has the dead-man held, the page visible and the driven hand tracked |
| ENGAGED | ARMED | dead-man let go, page not visible, view recentred, pose too old, acks too far behind |
| ENGAGED | ARMED | hand lost or frames missing for 100 ms |
| any | DISARMED | a person disarms or stops in emergency, the robot hand faults, the connection closes |

Every transition names what the hand node is ordered. Only a person's own disarm is the order `disarm`, which
acknowledges a fault or an emergency stop that the hand holds on to; whatever ends by itself orders `stop`. After an
emergency stop nothing arms until a person disarmed.

The dead-man is either clutch bit: the page sets the bit of the hand whose gesture is held, as a rule the hand that
does not drive; a middle-finger pinch of the driven hand is allowed too. Every engage is a new engagement, with a new
number, from which the wrist takes a new anchor. After a release other than by letting go, motion resumes when its
cause has gone, because the dead-man is still held; after a disarm it never does. After the operator's view was
recentred every dead-man, the desk's too, must be let go first.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from skin_teleop.clock import NS_PER_MS

LOST_AFTER_NS = 100 * NS_PER_MS
"""Tracking lost, or no frame at all, for longer than this releases (the safety contract of the operator's socket)."""
LOST = "tracking lost"
LET_GO = "dead-man let go"
STOPPED = "operator stopped in emergency"
STOP_FLAG = "emergency stop flag in a frame"
RECENTRED = "the view was recentred: let go, then hold again"
MAX_POSE_AGE_NS = 250 * NS_PER_MS
"""A page has 8 frames under way (110 ms at 72 Hz) and half of a bad Wi-Fi's round trip is 150 ms (users report 80 to
300 ms): a pose older than both together waited in a stalled link, and the hand it shows is somewhere else by now."""
MAX_ACK_LAG = 30
"""Frames between a pose and the newest ack its sender had seen: 0.4 s at 72 Hz. A page stops sending at 8."""


Word = Literal["disarmed", "armed", "engaged"]
Order = Literal["arm", "disarm", "stop", "emergency_stop"]


class State(enum.Enum):
    """Whether motion is granted."""

    DISARMED = "disarmed"
    ARMED = "armed"
    ENGAGED = "engaged"

    @property
    def word(self) -> Word:
        """The state as it is said on the wire."""
        return self.value


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What the state machine needs to know of a pose frame."""

    seq: int
    ack_seq: int
    tracked: bool
    visible: bool
    dead_man: bool
    emergency_stop: bool
    age_ns: int | None = None
    """Since the headset took the pose; None before the clocks were compared."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state: the event's name (see `skin_teleop.messages.EVENT_CODES`), the new state and the cause."""

    event: str
    state: State
    cause: str
    order: Order | None = None
    """What the hand node is told to do."""


class TeleopState:
    """The state of one rig; methods return the transitions they caused. Times are monotonic, ns."""

    def __init__(self) -> None:
        self.state = State.DISARMED
        self.cause = "not armed yet"
        self.engagement = 0
        """Number of the newest engagement; grows at every engage."""
        self.stopped = False
        """An emergency stop was ordered that no person has acknowledged yet."""
        self._restart()

    def _restart(self) -> None:
        self._last_seq: int | None = None
        self._first_unacked = 0
        self._must_let_go = False
        self._last_frame_ns = self._last_tracked_ns = -LOST_AFTER_NS

    @property
    def engaged(self) -> bool:
        """Whether motion is granted now."""
        return self.state is State.ENGAGED

    def connect(self) -> None:
        """A new operator: sequence numbers start anew."""
        self._restart()

    def arm(self) -> list[Transition]:
        """Grant motion as soon as a frame asks for it; an emergency stop must be acknowledged first."""
        if self.state is not State.DISARMED or self.stopped:
            return []
        return [self._enter(State.ARMED, "armed", "operator armed", "arm")]

    def disarm(self) -> list[Transition]:
        """A person disarms: nothing until the next arm, and a fault of the hand is acknowledged, so say it again."""
        cause, self.stopped = "operator disarmed", False
        return [*self._release(cause), self._enter(State.DISARMED, "disarmed", cause, "disarm")]

    def stand_down(self, cause: str) -> list[Transition]:
        """Grant nothing until the next arm, for another cause than a person's order; acknowledges nothing."""
        if self.state is State.DISARMED:
            return []
        return [*self._release(cause), self._enter(State.DISARMED, "disarmed", cause, "stop")]

    def emergency_stop(self, cause: str = STOPPED) -> list[Transition]:
        """Everything off; every push orders it again, since the order before may not have reached the hand."""
        self.stopped = True
        return [*self._release(cause), self._enter(State.DISARMED, "emergency_stop", cause, "emergency_stop")]

    def recentred(self) -> list[Transition]:
        """The operator's view has another origin: release, and demand that every dead-man is let go first."""
        self._must_let_go = True
        return self._release(RECENTRED)

    def accepts(self, seq: int) -> bool:
        """Whether a frame's sequence number is new; stale and repeated ones must not be acted on."""
        return self._last_seq is None or seq > self._last_seq

    def frame(self, facts: FrameFacts, now_ns: int) -> list[Transition]:
        """Judge an accepted frame received at `now_ns`."""
        if self._last_seq is None:
            self._first_unacked = facts.seq - 1
        self._last_seq, self._last_frame_ns = facts.seq, now_ns
        if facts.tracked:
            self._last_tracked_ns = now_ns
        if facts.emergency_stop:
            held = self.state is State.DISARMED and self.cause == STOP_FLAG
            return [] if held else self.emergency_stop(STOP_FLAG)
        obstacle = self._obstacle(facts, now_ns)
        if obstacle:
            return self._release(obstacle)
        if self.state is State.ARMED and facts.tracked:
            self.engagement += 1
            return [self._enter(State.ENGAGED, "engaged", "dead-man held")]
        return []

    def tick(self, now_ns: int) -> list[Transition]:
        """Notice that frames stopped coming, or that none has the hand; call at least every 20 ms."""
        silence_ns = now_ns - self._last_frame_ns
        if silence_ns > LOST_AFTER_NS:
            return self._release(f"no frame for {silence_ns // NS_PER_MS} ms")
        return self._release(LOST) if now_ns - self._last_tracked_ns > LOST_AFTER_NS else []

    def _obstacle(self, facts: FrameFacts, now_ns: int) -> str:
        lost_ns = now_ns - self._last_tracked_ns
        ack_lag = facts.seq - max(facts.ack_seq, self._first_unacked)
        if not facts.visible:
            return "page not visible"
        if not facts.dead_man:
            self._must_let_go = False
            if self.cause == RECENTRED:
                self.cause = LET_GO  # a page tells the cause: what it asked for was done
            return LET_GO
        if self._must_let_go:
            if self.state is State.ARMED:
                self.cause = RECENTRED  # whatever released before: this is what keeps it still now
            return RECENTRED
        if facts.age_ns is not None and facts.age_ns > MAX_POSE_AGE_NS:
            return f"pose is {facts.age_ns // NS_PER_MS} ms old"
        if lost_ns > LOST_AFTER_NS:
            return LOST
        if ack_lag > MAX_ACK_LAG:
            return f"link slow: {ack_lag} frames without an ack"
        return ""

    def _release(self, cause: str) -> list[Transition]:
        if not self.engaged:
            return []
        event = "tracking_lost" if cause == LOST else "released"
        return [self._enter(State.ARMED, event, cause)]

    def _enter(self, state: State, event: str, cause: str, order: Order | None = None) -> Transition:
        self.state, self.cause = state, cause
        return Transition(event, state, cause, order)
