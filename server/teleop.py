"""The operator's messages at work: poses to the recorder and the follower, orders to the hand and the recorder.

Lives on the event loop and never blocks it: parsing, bookkeeping and non-blocking sends only.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

from server import control
from server.audience import Audience
from server.calibrating import Calibrating, UseCalibration
from server.clock_sync import ClockSync
from server.control import FromServer
from server.follower import Released, Work
from server.hand_follower import TrackedPose, driving_hands
from server.newest import Newest
from server.pose_rates import PoseRates
from server.protocol import LEFT, RIGHT, Flag, PoseFrame, parse_pose_frame
from server.retargeting.human_hand import tracking_fault
from server.teleop_state import FrameFacts, TeleopState, Transition
from skin_teleop.bus import CommandSender, Latest, RecorderFeed
from skin_teleop.clock import NS_PER_MS, NS_PER_S, Stamp, mono_ns
from skin_teleop.errors import AccessError, BusError, WireError
from skin_teleop.messages import ClockSample, Event, HandCommand, HandHealth, HandPose, RecorderCommand, RecorderStatus
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)

Tell = Callable[[FromServer], None]
CLUTCH = Flag.CLUTCH_LEFT | Flag.CLUTCH_RIGHT
DESK_HOLD_NS = 150 * NS_PER_MS
"""A desk page repeats that its dead-man is held; silent for so long, it counts as let go."""
HAND_STATES = ("OFF", "READY", "FOLLOW", "HOLD", "RELAX", "FAULT")
"""Words for `HandHealth.state`."""
HAND_ORDERS = {"armed": "arm", "disarmed": "disarm", "emergency_stop": "emergency_stop"}
"""What a transition orders the hand node to do."""


class Teleop:
    """One rig's teleoperation, whoever is connected."""

    def __init__(self, rig: Rig, runtime: Path, work: Newest[Work], use_calibration: UseCalibration) -> None:
        self.rig = rig
        self.calibrating = Calibrating(rig, use_calibration)
        self.state = TeleopState()
        self.clock = ClockSync()
        self.recorder_status = RecorderStatus("idle", message="no word from the recorder yet")
        self.rejected: dict[str, int] = {}
        self.poses = 0
        self.rates = PoseRates()
        self.tell: Tell = _nobody
        self.audience = Audience()
        self._hand_states = dict.fromkeys(rig.hands, "unknown")
        self.take_rest: Callable[[], None] = lambda: None
        """What a `zero` message calls: the display owns the skin's picture at rest."""
        self._driving = {hand: RIGHT if side == "right" else LEFT for hand, side in driving_hands(rig).items()}
        self._driven = self._driving["hand"]
        self._work = work
        self._feed = RecorderFeed(runtime)
        self._hands = [CommandSender(runtime, hand) for hand in rig.hands]
        self._recorder = CommandSender(runtime, "recorder")
        self._status = Latest(runtime, "recorder", RecorderStatus)
        self._health = {
            hand: Latest(runtime, hand, HandHealth, f"{config.name}_health") for hand, config in rig.hands.items()
        }
        self._desk_hold_until_ns = self._recording_since_ns = 0
        self._watch: Callable[[], None] = lambda: None
        self._events = self._clock_samples = 0
        self._last_receive_ns = 0
        self._rejection_told_ns = -NS_PER_S
        self._rejections_untold = 0

    def open(self, peer: str, tell: Tell, watch: Callable[[], None] = lambda: None) -> None:
        """An operator took the seat; `watch` adds the page to the audience when it asks."""
        self.tell, self._watch = tell, watch
        self.state.connect()
        self.clock = ClockSync()
        self._record("connected", peer=peer)
        driven = self.rig.server.driven_hand
        both = len(self._driving) > 1
        tell(control.Hello(control.PROTOCOL, "webxr-25", driven, self.rig.name, self.state.state.word, both))
        tell(control.Recorder(self.recorder_status))

    def leave(self, cause: str) -> None:
        """The operator's connection is gone: release and disarm."""
        self.tell = _nobody
        self.calibrating.cancel()
        self._apply(self.state.disarm(f"connection closed: {cause}"))
        self._record("disconnected", cause=cause, poses=self.poses, rejected=sum(self.rejected.values()))

    def close(self) -> None:
        """Leave the hand disarmed and release the sockets."""
        self._apply(self.state.disarm("server stopped"))
        self.calibrating.close()
        for latest in self._health.values():
            latest.close()
        for sender in (*self._hands, self._recorder):
            sender.close()
        for socket in (self._feed, self._status):
            socket.close()

    def receive_pose(self, data: bytes) -> None:
        """Act on one binary message; what is wrong with it is counted and told, nothing else happens."""
        received = Stamp.now()
        try:
            frame = parse_pose_frame(data)
        except WireError as error:
            return self._reject(error.asked)
        if not self.state.accepts(frame.seq):
            return self._reject("sequence number not increasing")
        self._take(frame, max(received.t_mono, self._last_receive_ns + 1), received.t_wall)
        return None

    def receive_control(self, text: str) -> None:
        """Act on one JSON message of the operator."""
        self._hear(text, control.parse_from_operator, self.tell)

    def receive_desk(self, text: str, tell: Tell) -> None:
        """Act on one JSON message of a desk page."""
        self._hear(text, control.parse_from_desk, tell)

    @property
    def desk_dead_man(self) -> bool:
        """Whether a desk page holds the dead-man now."""
        return mono_ns() < self._desk_hold_until_ns

    def tick(self) -> None:
        """Watch for silence and for news from the recorder; called every few milliseconds."""
        self._apply(self.state.tick(mono_ns()))
        status = self._status.take()
        if status is not None:
            self._hear_recorder(status)
        self._tell_calibration()
        self._watch_hands()
        self._tell_rejections()

    def ping(self) -> None:
        """Ask the client for its clock."""
        self.tell(control.Ping(self.clock.ping(mono_ns())))

    @property
    def session_s(self) -> float | None:
        """How long the recorder has been recording, or None while it does not."""
        recording = self.recorder_status.state == "recording"
        return (mono_ns() - self._recording_since_ns) / NS_PER_S if recording else None

    @property
    def dropped(self) -> dict[str, int]:
        """Rows that the recorder could not take, by stream."""
        return dict(self._feed.dropped)

    def _take(self, frame: PoseFrame, t_mono_ns: int, t_wall_ns: int) -> None:
        self._last_receive_ns = t_mono_ns
        self.rates.note(frame.pose[self._driven], t_mono_ns)
        self.poses += 1
        valid = [frame.valid(LEFT), frame.valid(RIGHT)]
        stamp = Stamp(frame.t_capture_ns, t_mono_ns, t_wall_ns)
        self._feed.send(HandPose.stamped(stamp, frame.seq, pose=frame.pose, valid=valid), "hand_pose")
        tracked = {
            hand: frame.pose[side]
            for hand, side in self._driving.items()
            if valid[side] and not tracking_fault(frame.pose[side][:, :3])
        }
        facts = FrameFacts(
            seq=frame.seq,
            ack_seq=frame.ack_seq,
            tracked=len(tracked) == len(self._driving),
            visible=bool(frame.flags & Flag.VISIBLE),
            dead_man=bool(frame.flags & CLUTCH) or self.desk_dead_man,
            emergency_stop=bool(frame.flags & Flag.EMERGENCY_STOP),
        )
        self._apply(self.state.frame(facts, t_mono_ns))
        if "hand" in tracked:
            self.calibrating.add(tracked["hand"][:, :3], t_mono_ns)
        if tracked:
            granted = self.state.engagement if self.state.engaged else 0
            facts_of_all = (frame.seq, t_mono_ns, granted, self._captured_ns(frame))
            self._work.put({hand: TrackedPose(pose, *facts_of_all) for hand, pose in tracked.items()})
        self.tell(control.Ack(frame.seq, self.state.state.word, self.state.cause, dict(self.rejected)))

    def _captured_ns(self, frame: PoseFrame) -> int | None:
        offset_ns = self.clock.offset_ns
        return None if offset_ns is None else frame.t_capture_ns - offset_ns

    def _hear(self, text: str, parse: Callable[[str], control.FromOperator | control.FromDesk], tell: Tell) -> None:
        try:
            self._obey(parse(text))
        except WireError as error:
            self._reject(error.asked)
            tell(control.Refused(str(error)))
        except (BusError, AccessError) as error:
            log.warning("%s", error)
            tell(control.Refused(str(error)))

    def _announce(self, message: FromServer) -> None:
        self.tell(message)
        self.audience.tell_news(message)

    def _hear_recorder(self, status: RecorderStatus) -> None:
        if status.state == "recording" != self.recorder_status.state:
            self._recording_since_ns = mono_ns()
            self._record_calibration()
        self.recorder_status = status
        self._announce(control.Recorder(status))

    def _tell_calibration(self) -> None:
        news = self.calibrating.news()
        if news is None:
            return
        self._announce(news)
        if news.step == "done":
            self._record_calibration()

    def _record_calibration(self) -> None:
        kept = self.calibrating.kept
        if kept is not None:
            measured = kept.calibration
            facts = {"quality": measured.quality, "scale": measured.scale, "touch_m": measured.touch_m}
            self._record("calibrated", operator=measured.operator, version=kept.version, **facts)

    @property
    def hand_state(self) -> str:
        """What the hand's node says of its state; of two hands with their names."""
        if len(self._hand_states) == 1:
            return self._hand_states["hand"]
        return ", ".join(f"{self.rig.hands[hand].name} {state}" for hand, state in self._hand_states.items())

    def _watch_hands(self) -> None:
        """A fault of one hand disarms them all."""
        for hand, healths in self._health.items():
            health = healths.take()
            if health is None:
                continue
            state = HAND_STATES[health.state] if health.state < len(HAND_STATES) else "unknown"
            self._hand_states[hand] = state
            if state == "FAULT":
                name = "the robot hand" if len(self._health) == 1 else f"the robot hand {self.rig.hands[hand].name}"
                self._apply(self.state.disarm(f"{name} reports a fault"))

    def _obey(self, message: control.FromOperator | control.FromDesk) -> None:
        match message:
            case control.Arm():
                self.calibrating.cancel()
                self._apply(self.state.arm())
            case control.Disarm():
                self._apply(self.state.disarm())
            case control.EmergencyStop():
                self._apply(self.state.emergency_stop())
            case control.Pong():
                self._pong(message)
            case control.DeadMan():
                self._desk_hold_until_ns = mono_ns() + DESK_HOLD_NS if message.held else 0
            case control.Watch():
                self._watch()
            case control.Zero():
                self.take_rest()
            case control.ChooseOperator() | control.Calibrate() | control.StopCalibrating():
                self._calibrate(message)
            case control.StartRecording():
                self._recorder.send(
                    RecorderCommand("start", object=message.object, plan=message.plan, operator=message.operator)
                )
            case control.StopRecording():
                self._recorder.send(RecorderCommand("stop"))
            case control.Mark():
                self._recorder.send(RecorderCommand("mark", label=message.label, edge=message.edge))
            case control.Keep():
                self._recorder.send(RecorderCommand("keep"))
            case control.Discard():
                self._recorder.send(RecorderCommand("discard"))

    def _calibrate(self, message: control.CalibrationOrder) -> None:
        """The scale of a moving hand is never changed: whatever changes it disarms first."""
        match message:
            case control.ChooseOperator():
                self._apply(self.state.disarm("another operator was chosen"))
                self.calibrating.choose(message.name)
            case control.Calibrate():
                self._apply(self.state.disarm("calibrating"))
                self.calibrating.begin()
            case control.StopCalibrating():
                self.calibrating.cancel()

    def _apply(self, transitions: list[Transition]) -> None:
        for change in transitions:
            log.info("%s: %s", change.event, change.cause)
            if change.event not in ("armed", "engaged"):
                self._work.put(Released())
            if change.event in HAND_ORDERS:
                self._order(HAND_ORDERS[change.event], change.cause)
            self._record(change.event, cause=change.cause, state=change.state.word)
            self._announce(control.StateChanged(change.state.word, change.cause))

    def _order(self, action: str, reason: str) -> None:
        for hand in self._hands:
            try:
                hand.send(HandCommand(action, reason))  # type: ignore[arg-type]
            except BusError as error:
                log.warning("%s", error)
                self.tell(control.Refused(str(error)))

    def _pong(self, message: control.Pong) -> None:
        exchange = self.clock.pong(message.id, round(message.t_client_ms * NS_PER_MS), mono_ns())
        if exchange is None:
            return self._reject("pong without a ping")
        self._clock_samples += 1
        now = Stamp.now(exchange.t_client)
        middle = Stamp(exchange.t_client, exchange.t_mono, now.t_wall - (now.t_mono - exchange.t_mono))
        sample = ClockSample.stamped(middle, self._clock_samples, rtt=exchange.rtt, residual=math.nan, drift=math.nan)
        self._feed.send(sample, "clock_headset")
        return None

    def _reject(self, kind: str) -> None:
        self.rejected[kind] = self.rejected.get(kind, 0) + 1
        self._rejections_untold += 1
        self._tell_rejections()

    def _tell_rejections(self) -> None:
        now = mono_ns()
        if self._rejections_untold and now - self._rejection_told_ns >= NS_PER_S:
            self._rejection_told_ns, self._rejections_untold = now, 0
            self._record("rejected", counts=self.rejected)

    def _record(self, name: str, **facts: object) -> None:
        self._events += 1
        self._feed.send(Event.now(name, self._events, **facts), "events")


def _nobody(_: FromServer) -> None:
    """Nobody is connected."""
