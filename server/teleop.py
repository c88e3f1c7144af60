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
from server.protocol import LEFT, RIGHT, Flag, PoseFrame, parse_pose_frame, sequence_number
from server.recording import Recording
from server.retargeting.human_hand import tracking_fault
from server.robot_hands import RobotHands
from server.teleop_state import MAX_ACK_LAG, FrameFacts, TeleopState, Transition, Word
from skin_teleop.bus import CommandSender, Latest, RecorderFeed
from skin_teleop.clock import NS_PER_MS, NS_PER_S, Stamp, mono_ns
from skin_teleop.errors import AccessError, BusError, WireError
from skin_teleop.messages import ClockSample, Event, HandPose, RecorderCommand, RecorderStatus
from skin_teleop.rig import Rig

log = logging.getLogger(__name__)

Tell = Callable[[FromServer], None]
CLUTCH = Flag.CLUTCH_LEFT | Flag.CLUTCH_RIGHT
DESK_HOLD_NS = 150 * NS_PER_MS
"""A desk page repeats that its dead-man is held; silent for so long, it counts as let go."""


class Teleop:
    """One rig's teleoperation, whoever is connected."""

    def __init__(self, rig: Rig, runtime: Path, work: Newest[Work], use_calibration: UseCalibration) -> None:
        self.rig = rig
        self.calibrating = Calibrating(rig, use_calibration)
        self.state = TeleopState()
        self.clock = ClockSync()
        self.recording = Recording()
        self.hands = RobotHands(rig, runtime)
        self.rejected: dict[str, int] = {}
        self.poses = 0
        self.rates = PoseRates()
        self.tell: Tell = _nobody
        self.audience = Audience()
        self.take_rest: Callable[[], None] = lambda: None
        """What a `zero` message calls: the display owns the skin's picture at rest."""
        self._driving = {hand: RIGHT if side == "right" else LEFT for hand, side in driving_hands(rig).items()}
        self._driven = self._driving["hand"]
        self._work = work
        self._feed = RecorderFeed(runtime)
        self._recorder = CommandSender(runtime, "recorder")
        self._status = Latest(runtime, "recorder", RecorderStatus)
        self._desk_hold_until_ns = self._newest_seq = 0
        self._stopped_told = ""
        self._watch: Callable[[], None] = lambda: None
        self._events = self._clock_samples = 0
        self._last_receive_ns = 0
        self._rejection_told_ns = -NS_PER_S
        self._rejections_untold = 0

    def open(self, peer: str, tell: Tell, watch: Callable[[], None] = lambda: None) -> None:
        """An operator took the seat; `watch` adds the page to the audience when it asks."""
        self.tell, self._watch = tell, watch
        self.state.connect()
        self.clock, self._newest_seq = ClockSync(), 0
        self._record("connected", peer=peer)
        self.greet(tell)

    def greet(self, tell: Tell) -> None:
        """What every page is told first."""
        driven = self.rig.server.driven_hand
        both = len(self._driving) > 1
        word, stopped = self.state.state.word, self.stopped
        tell(control.Hello(control.PROTOCOL, "webxr-25", driven, self.rig.name, word, both, stopped))
        tell(control.Recorder(self.recording.status))
        if self.calibrating.present is not None:
            tell(self.calibrating.present)

    def leave(self, cause: str) -> None:
        """The operator's connection is gone: release and disarm."""
        self.tell = _nobody
        self.calibrating.cancel()
        self._apply(self.state.stand_down(f"connection closed: {cause}"))
        self._record("disconnected", cause=cause, poses=self.poses, rejected=sum(self.rejected.values()))

    def close(self) -> None:
        """Leave the hand disarmed and release the sockets."""
        self._apply(self.state.stand_down("server stopped"))
        self.calibrating.close()
        for socket in (self.hands, self._recorder, self._feed, self._status):
            socket.close()

    def receive_pose(self, data: bytes) -> None:
        """Act on one binary message; what is wrong with it is counted and told, nothing else happens."""
        received = Stamp.now()
        try:
            frame = parse_pose_frame(data)
        except WireError as error:
            self._reject(error.asked)
            seq = sequence_number(data)
            near = seq <= self._newest_seq + MAX_ACK_LAG  # a far one would hide from then on how far the acks lag
            return self._acknowledge(seq if near else 0)
        if self.state.accepts(frame.seq):
            self._take(frame, max(received.t_mono, self._last_receive_ns + 1), received.t_wall)
        else:
            self._reject("sequence number not increasing")
        return self._acknowledge(frame.seq)

    def _acknowledge(self, seq: int) -> None:
        """Every frame that was read is acknowledged, or a page whose frames are refused would wait for ever."""
        self._newest_seq = max(self._newest_seq, seq)
        word, cause, rejected = self.state.state.word, self.state.cause, dict(self.rejected)
        self.tell(control.Ack(self._newest_seq, word, cause, rejected, self.stopped))

    def receive_control(self, text: str) -> None:
        """Act on one JSON message of the operator."""
        self._hear(text, control.parse_from_operator, self.tell)

    def receive_desk(self, text: str, tell: Tell) -> None:
        """Act on one JSON message of a desk page."""
        self._hear(text, control.parse_from_desk, tell)

    @property
    def stopped(self) -> str:
        """Why nobody can arm, and what to do about it; empty where it can be armed."""
        if self.state.stopped:
            return "the robot hand was stopped in emergency: push Disarm, then Arm"
        if fault := self.hands.fault:  # where it is no more than silence, Disarm changes nothing
            return f"{fault}: push Disarm, then Arm; if it stays, check the hand's supply and cable"
        return ""

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
        self.hands.look()
        if fault := self.hands.fault:  # of one hand: it stops them all
            self._apply(self.state.stand_down(fault))
        if self.stopped != self._stopped_told:  # a fault came or went without a change of state
            self._tell_state(self.state.state.word, self.state.cause)
        self._tell_rejections()

    def ping(self) -> None:
        """Ask the client for its clock."""
        self.tell(control.Ping(self.clock.ping(mono_ns())))

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
        captured_ns = self._captured_ns(frame)
        facts = FrameFacts(
            seq=frame.seq,
            ack_seq=frame.ack_seq,
            tracked=len(tracked) == len(self._driving),
            visible=bool(frame.flags & Flag.VISIBLE),
            dead_man=bool(frame.flags & CLUTCH) or self.desk_dead_man,
            emergency_stop=bool(frame.flags & Flag.EMERGENCY_STOP),
            age_ns=None if captured_ns is None else t_mono_ns - captured_ns,
        )
        self._apply(self.state.frame(facts, t_mono_ns))
        if "hand" in tracked:
            self.calibrating.add(tracked["hand"][:, :3], t_mono_ns)
        if tracked:
            granted = self.state.engagement if self.state.engaged else 0
            facts_of_all = (frame.seq, t_mono_ns, granted, captured_ns)
            self._work.put({hand: TrackedPose(pose, *facts_of_all) for hand, pose in tracked.items()})

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

    def _tell_state(self, word: Word, cause: str) -> None:
        self._stopped_told = self.stopped
        self._announce(control.StateChanged(word, cause, self.stopped))

    def _hear_recorder(self, status: RecorderStatus) -> None:
        if self.recording.hear(status):
            self._record_calibration()
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

    def _obey(self, message: control.FromOperator | control.FromDesk) -> None:
        match message:
            case control.Arm():
                self._arm()
            case control.Disarm():
                self._apply(self.state.disarm())
            case control.StandDown():
                self._apply(self.state.stand_down("operator left"))
            case control.EmergencyStop():
                self._apply(self.state.emergency_stop())
            case control.Recentred():
                self._apply(self.state.recentred())
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
            case _:
                self._recorder.send(_recorder_command(message))

    def _arm(self) -> None:
        if self.stopped:
            raise AccessError(self.stopped)
        self.calibrating.cancel()
        if self.calibrating.running:  # what it finds changes the retargeting, which a moving hand must not see
            raise AccessError("a calibration is being measured or loaded", next_step="arm again in a second")
        self._apply(self.state.arm())

    def _calibrate(self, message: control.CalibrationOrder) -> None:
        """The scale of a moving hand is never changed: whatever changes it disarms first."""
        match message:
            case control.ChooseOperator():
                self._apply(self.state.stand_down("another operator was chosen"))
                self.calibrating.choose(message.name)
            case control.Calibrate():
                self._apply(self.state.stand_down("calibrating"))
                self.calibrating.begin()
            case control.StopCalibrating():
                self.calibrating.cancel()

    def _apply(self, transitions: list[Transition]) -> None:
        for change in transitions:
            log.info("%s: %s", change.event, change.cause)
            if change.event not in ("armed", "engaged"):
                self._work.put(Released())
            if change.order:
                for failure in self.hands.order(change.order, change.cause):
                    self._announce(control.Refused(failure))
            self._record(change.event, cause=change.cause, state=change.state.word)
            self._tell_state(change.state.word, change.cause)

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


def _recorder_command(order: control.RecordingOrder) -> RecorderCommand:
    match order:
        case control.StartRecording():
            return RecorderCommand("start", object=order.object, plan=order.plan, operator=order.operator)
        case control.StopRecording():
            return RecorderCommand("stop")
        case control.Mark():
            return RecorderCommand("mark", label=order.label, edge=order.edge)
        case control.Keep():
            return RecorderCommand("keep")
        case control.Discard():
            return RecorderCommand("discard")


def _nobody(_: FromServer) -> None:
    """Nobody is connected."""
