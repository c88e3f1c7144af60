"""The hand node: a control loop that the hand itself clocks, and every way out of it leaves the hand without power."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from drivers.allegro.calibration import hand_calibration
from drivers.allegro.codec import N_FINGERS, FingerPose, FingerTorque, HandEvent, HandInfo, HandStatus
from drivers.allegro.controller import Control, Controller, Drive
from drivers.allegro.first_motion import FirstMotion
from drivers.allegro.gravity import GravityCompensation
from drivers.allegro.health import HEALTH_REQUESTS, HealthMonitor
from drivers.allegro.identity import identified_scale
from drivers.allegro.link import HandLink, open_bus
from drivers.allegro.pose_cycle import PoseCycle
from drivers.allegro.reports import HandReports
from drivers.allegro.safe_stop import NO_TORQUE, POWER_OFF, leave, require_all, safe_stop
from drivers.allegro.safety import UNPOWERED, HandState, SafetyMachine, Transition
from drivers.allegro.startup import StartUp, power_on
from skin_teleop.clock import ABSENT_NS, NS_PER_MS, NS_PER_S, Stamp, mono_ns
from skin_teleop.hand import hand_model
from skin_teleop.messages import HandHealth, JointState
from skin_teleop.rig import HandConfig, Rig
from skin_teleop.transforms import Array

RECEIVE_TIMEOUT_S = 0.02
WATCH_NS = 20 * NS_PER_MS
"""How often commands, silence and start-up are looked at while no control cycle does it."""
PAUSE_NS = 100 * NS_PER_MS
"""Without a complete set of pose frames for this long the hand gets no torque, and what moved holds."""
SILENCE_NS = NS_PER_S
"""And for this long, it counts as lost: servo off, start-up anew, a new arm."""
REFUSED_NS = 100 * NS_PER_MS
"""So does a hand whose bus takes no frame for this long: it keeps the last torque that it heard."""
FAULT_LASTS_NS = NS_PER_S
"""A fault lasts at least this long: the server takes the newest report, and must not find one from after it."""
SERVO_GRACE_NS = NS_PER_S // 2
"""An info reply this soon after servo-on may still have been on its way before it."""
LONGEST_PASS_NS = 25 * NS_PER_MS
"""One pass of the loop counts for at most this much silence: when this host stalls, the hand's frames wait for it."""
SECOND_GRACE_NS = 50 * NS_PER_MS
"""The once-a-second work waits this long for the calm moment after a control cycle."""
DRAIN_FRAMES = 100

log = logging.getLogger(__name__)


def run(rig: Rig, runtime: Path, stop: threading.Event, device: str = "hand") -> None:
    """Drive the hand until `stop` is set: the rig's first, or its `second_hand`.

    Raises DeviceError when the bus cannot be opened or has gone away, when the hand does not answer or say its version
    at the first start, or is another one than the rig file says, and when the bus does not take the stop frames;
    ConfigError when its calibration file does not know the hand. Whatever happens, the stop frames come last.
    """
    config, wrist = rig.hands[device], rig.wrist_stream(device)
    bus = open_bus(config)
    link = HandLink(bus, config)
    with contextlib.ExitStack() as after_stop:
        after_stop.callback(leave, bus)
        try:
            gravity = GravityCompensation(rig.seen_by(device))
            reports = HandReports(runtime, config.name, device, follows=wrist if gravity.follows_wrist else None)
            after_stop.callback(reports.close)
            with _collecting_by_hand():
                _HandLoop(config, link, reports, gravity).run(stop)
        finally:
            sent = safe_stop(bus, config.device_id)
            log.info("hand %s: %d stop frames sent, %d frames refused", config.name, sent, link.send_errors)
    require_all(sent, config)


@contextlib.contextmanager
def _collecting_by_hand() -> Iterator[None]:
    """Keep Python's cycle collector out of the control cycle; the loop collects once a second, after sending.

    What was loaded so far is frozen, so that this collection looks at little more than one second of garbage.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class _HandLoop:
    """Everything that happens on one received frame, in the order in which it must happen."""

    def __init__(self, config: HandConfig, link: HandLink, reports: HandReports, gravity: GravityCompensation) -> None:
        self._config = config
        self._link = link
        self._reports = reports
        self._gravity = gravity
        self._cycle = PoseCycle()
        self._use(None, "", calibration_file="")
        self._safety = SafetyMachine(config.hold_after_ms, config.relax_after_ms)
        self._health = HealthMonitor(config)
        self._first_motion = FirstMotion(config.first_motion)
        now_ns = mono_ns()
        self._startup: StartUp | None = StartUp(config, now_ns)
        self._ready = False
        self._silent_ns = self._servo_on_ns = 0
        self._paused = False
        self._pass_ns = self._next_watch_ns = now_ns
        self._next_second_ns = now_ns + NS_PER_S
        self._fault_ns = 0
        self._refusal_told = False
        self._cycles = self._health_reports = self._overruns = 0
        self._received_ns: int | None = None
        self._target_seq = 0

    def run(self, stop: threading.Event) -> None:
        """Receive frame by frame until `stop`; raises DeviceError as the module's `run` does."""
        self._link.drain(DRAIN_FRAMES)
        while not stop.is_set():
            event, received_ns = self._link.receive(RECEIVE_TIMEOUT_S)
            if event is not None:
                self._hear(event, received_ns)
            now_ns = mono_ns()
            self._silent_ns += min(now_ns - self._pass_ns, LONGEST_PASS_NS)
            self._pass_ns = now_ns
            if now_ns >= self._next_watch_ns:
                self._watch(now_ns)

    def _hear(self, event: HandEvent, received_ns: int) -> None:
        if isinstance(event, FingerPose):
            if periods := self._cycle.add(event):
                self._control(received_ns, periods)
        elif faults := self._health.hear(event):
            self._safety.fault(f"the hand reports {faults}", latched=True)
            self._act_on_transitions()
        elif isinstance(event, HandInfo):
            self._check_servo(event)
        if self._startup is not None:
            self._startup.hear(event)

    def _control(self, received_ns: int, periods: int) -> None:
        """One control cycle: from the fourth pose frame to the fourth torque frame, then the reports."""
        self._decide(mono_ns())
        position_rad = self._scale.radians_from_counts(self._cycle.counts) - self._calibration.zero_offset_rad
        drive = self._resumed() if self._paused else self._safety.drive
        if drive is Drive.FOLLOW:
            self._first_motion.follow(self._config.period_ms / 1000)
        self._controller.torque_share = self._health.torque_share * self._first_motion.torque_share
        carry_nm = self._gravity.torque_nm(position_rad)
        control = self._controller.step(position_rad, mono_ns(), drive, periods, carry_nm)
        wire = control.wire.tolist()
        self._link.send(*(FingerTorque(f, tuple(wire[4 * f : 4 * f + 4])) for f in range(N_FINGERS)))
        self._count_overrun(received_ns)
        self._report_cycle(position_rad, control, received_ns, mono_ns())
        self._silent_ns = 0
        self._each_second(grace_ns=0)

    def _resumed(self) -> Drive:
        """The first cycle after a pause has no torque: the command starts where the joints are now."""
        self._paused = False
        self._controller.forget_motion()
        return Drive.NONE

    def _check_servo(self, info: HandInfo) -> None:
        """A hand whose servo went off by itself, as after a dip of its supply, must be started anew."""
        settled = mono_ns() - self._servo_on_ns > SERVO_GRACE_NS
        if settled and not info.status & HandStatus.SERVO_ON and self._safety.state not in UNPOWERED:
            self._lose("the hand's servo is off")

    def _check_sending(self) -> None:
        """Poses may still arrive where no frame leaves, as when a cable's other half is cut.

        A hand that had power and should be off may not have heard it, which only a person can mend: it is told once.
        """
        if self._link.refused_ns <= REFUSED_NS:
            self._refusal_told = self._refusal_told and self._link.refused_ns > 0
            return
        cause = f"the bus takes no frames, {self._link.send_errors} were refused: cut the hand's power"
        state = self._safety.state
        if state not in UNPOWERED:
            self._lose(cause)
        elif self._ready and not self._refusal_told:
            self._reports.transition(Transition(state, state, cause))
        self._refusal_told = True

    def _lose(self, cause: str) -> None:
        self._safety.fault(cause, latched=False)
        self._startup = StartUp(self._config, mono_ns())
        self._act_on_transitions()

    def _decide(self, now_ns: int) -> None:
        """Let commands, the newest target and time change the state."""
        for command in self._reports.commands():
            self._safety.obey(command)
        target = self._reports.target()
        if target is not None and not self._paused and self._safety.offer(target, now_ns):
            self._controller.aim(target.target, now_ns)
            self._target_seq = target.seq
        self._safety.tick(now_ns)
        self._act_on_transitions()

    def _act_on_transitions(self) -> None:
        for change in self._safety.take_transitions():
            if change.after in UNPOWERED:
                self._link.send(*POWER_OFF)
            elif change.before in UNPOWERED:
                self._link.send(*power_on(self._config))
                self._silent_ns, self._servo_on_ns = 0, mono_ns()
            self._reports.transition(change)
            if change.after is HandState.FAULT:
                self._fault_ns = mono_ns()
                self._report_health()

    def _watch(self, now_ns: int) -> None:
        """What must happen even when the hand is silent."""
        self._next_watch_ns = now_ns + WATCH_NS
        if self._silent_ns > PAUSE_NS and self._safety.state not in UNPOWERED:
            self._paused = True
            self._safety.pause("pose frames paused")
            self._link.send(*NO_TORQUE)
        if self._silent_ns > SILENCE_NS and self._safety.state not in UNPOWERED:
            self._lose("pose frames stopped")
        self._check_sending()
        if self._silent_ns > WATCH_NS:
            self._decide(now_ns)
        if self._startup is not None:
            self._wake(self._startup, now_ns)
        if (wrist := self._reports.wrist()) is not None:
            self._gravity.turn(wrist.pose)
        self._each_second(SECOND_GRACE_NS)

    def _wake(self, startup: StartUp, now_ns: int) -> None:
        self._link.send(*startup.due(now_ns))
        if startup.done and self._may_wake(now_ns):
            self._startup = None
            self._woken(startup.info, startup.serial)
        elif not self._ready:
            startup.check_patience(now_ns)

    def _may_wake(self, now_ns: int) -> bool:
        """A fault lasts until everyone has seen it and the bus takes frames again."""
        if self._safety.state is not HandState.FAULT:
            return True
        return now_ns - self._fault_ns >= FAULT_LASTS_NS and self._link.refused_ns == 0

    def _woken(self, info: HandInfo | None, serial: str) -> None:
        self._use(info, serial, self._config.calibration_file)
        log.info("hand %s answers: serial %r, %s", self._config.name, serial, info or "version set by the rig file")
        self._safety.started()
        self._act_on_transitions()
        if not self._ready:
            self._ready = True
            self._reports.ready()

    def _use(self, info: HandInfo | None, serial: str, calibration_file: str) -> None:
        """Take scales, limits and zero offsets of the hand that answered; the strictest while none has."""
        config = self._config
        model = hand_model(config.model, config.finger_joint1_z_m)
        self._scale = identified_scale(config, info, serial)
        self._calibration = hand_calibration(calibration_file, serial, model)
        self._controller = Controller(config, self._calibration.model, self._scale)

    def _count_overrun(self, received_ns: int) -> None:
        """A cycle is late when it comes more than two periods after the one before."""
        if self._received_ns is not None and received_ns - self._received_ns > 2 * self._config.period_ms * NS_PER_MS:
            self._overruns += 1
        self._received_ns = received_ns

    def _report_cycle(self, position_rad: Array, control: Control, received_ns: int, command_ns: int) -> None:
        self._reports.cycle(
            JointState.stamped(
                Stamp(ABSENT_NS, received_ns, time.time_ns() - (mono_ns() - received_ns)),
                self._cycles,
                position=position_rad,
                velocity=control.velocity_rad_per_s,
                target=control.command_rad,
                torque_command=control.torque_nm,
                target_seq=self._target_seq,
                t_command=command_ns,
            )
        )
        self._cycles += 1

    def _each_second(self, grace_ns: int) -> None:
        """Ask the hand how it is, report, collect garbage: right after a control cycle, or late when none comes.

        A hand that should have no power is told so again, since the frame that said it may have been lost.
        """
        if mono_ns() < self._next_second_ns + grace_ns:
            return
        self._next_second_ns = mono_ns() + NS_PER_S
        if self._safety.state in UNPOWERED:
            self._link.send(*POWER_OFF)
        self._link.send(*HEALTH_REQUESTS)
        self._report_health()
        gc.collect()

    def _report_health(self) -> None:
        """Once a second, and at once when the hand goes to FAULT."""
        self._reports.health(
            HandHealth.stamped(
                Stamp.now(),
                self._health_reports,
                temperature=self._health.temperature_c,
                status=int(self._health.status),
                state=int(self._safety.state),
                overruns=self._overruns,
                missing=self._cycle.missing,
                refused=self._safety.refused,
                pressure=self._health.pressure_pa,
            )
        )
        self._health_reports += 1
