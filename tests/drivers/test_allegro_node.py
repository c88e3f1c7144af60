"""The hand node against a scripted hand on the local bus: what is on the wire, in which order, and what is recorded."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import can
import numpy as np
import pytest
import zmq

from drivers.allegro import codec, node, startup
from drivers.allegro.codec import FingerPose, FingerTorque, HandInfo, HandStatus, Servo, SetPeriod
from drivers.allegro.safety import HandState
from drivers.allegro.scales import PWM_PER_NM, hand_scale
from drivers.can_local.bus import LocalCanBus
from drivers.simulated.light_hand import LightHand
from skin_teleop.bus import CommandSender, Publisher, endpoint
from skin_teleop.clock import ABSENT_NS, NS_PER_S, Stamp, mono_ns
from skin_teleop.errors import ConfigError, DeviceError
from skin_teleop.frames import decode_rows
from skin_teleop.hand import hand_model
from skin_teleop.messages import Event, HandCommand, HandHealth, JointState, JointTarget, Message, WristTarget
from skin_teleop.rig import Rig, load_rig
from skin_teleop.transforms import quaternion_from_rotation, rotation_from_rpy

START = hand_model("allegro_v4_right").clamp(np.full(16, 0.3))
GOAL = hand_model("allegro_v4_right").clamp(np.full(16, 0.6))
ZERO_TORQUES = [FingerTorque(f, (0, 0, 0, 0)) for f in range(4)]
STOP_EVENTS = [*ZERO_TORQUES, Servo(False), SetPeriod(0)]
MOBILITY_RAD_PER_S_NM = 10.0


class ScriptedHand:
    """A hand without inertia: its joints move at a speed proportional to torque. Keeps every host event in order."""

    def __init__(self, folder: Path, *, answers_info: bool = True) -> None:
        self.heard: list[codec.HostEvent] = []
        self.answers_info = answers_info
        self.status = HandStatus.SERVO_ON
        self.paused = threading.Event()
        self.silent_fingers: set[int] = set()
        self.position_rad = START.copy()
        self._torque_nm = np.zeros(16)
        self._period_s = 0.0
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> ScriptedHand:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        with LocalCanBus("hand", folder=self._folder) as bus:
            next_s = time.monotonic()
            while not self._stop.is_set():
                message = bus.recv(max(0.0, min(next_s - time.monotonic(), 0.01)))
                if message is not None:
                    self._obey(bus, message)
                if self._period_s and time.monotonic() >= next_s:
                    next_s = max(next_s, time.monotonic() - 0.01) + self._period_s
                    self._stream(bus)

    def _obey(self, bus: can.BusABC, message: can.Message) -> None:
        event = codec.decode(message.arbitration_id, bytes(message.data), message.is_remote_frame)
        self.heard.append(event)
        if self.paused.is_set():
            return
        match event:
            case codec.InfoRequest() if self.answers_info:
                self._send(bus, HandInfo(0x0402, 0x0406, False, 60, self.status))
            case codec.SerialRequest():
                self._send(bus, codec.SerialNumber("V4TEST01"))
            case codec.TemperatureRequest(finger):
                self._send(bus, codec.FingerTemperature(finger, (43, 42, 41, 37)))
            case SetPeriod(position_ms, _, _):
                self._period_s = position_ms / 1000
            case FingerTorque(finger, pwm):
                self._torque_nm[4 * finger : 4 * finger + 4] = np.array(pwm) / PWM_PER_NM

    def _stream(self, bus: can.BusABC) -> None:
        if self.paused.is_set():
            return
        self.position_rad += MOBILITY_RAD_PER_S_NM * self._torque_nm * self._period_s
        counts = hand_scale("allegro_v4_right").counts_from_radians(self.position_rad).tolist()
        for finger in sorted({0, 1, 2, 3} - self.silent_fingers):
            self._send(bus, FingerPose(finger, tuple(counts[4 * finger : 4 * finger + 4])))

    def _send(self, bus: can.BusABC, event: codec.HandEvent) -> None:
        frame = codec.encode(event)
        bus.send(can.Message(arbitration_id=frame.id, data=frame.data, is_extended_id=False))

    def without_polling(self) -> list[codec.HostEvent]:
        """What was heard, less the once-a-second questions."""
        polled = (codec.TemperatureRequest, codec.PoseRequest)
        return [event for event in self.heard if not isinstance(event, polled)]


class Bench:
    """A hand node in a thread, the recorder's end, the server's end and a command sender."""

    def __init__(self, runtime: Path, rig: Rig, wait_factor: float) -> None:
        self.samples: list[tuple[Message, str]] = []
        self.error: DeviceError | ConfigError | None = None
        self._wait_factor = wait_factor
        self._pull = zmq.Context.instance().socket(zmq.PULL)
        self._pull.bind(endpoint(runtime, "recorder.pull"))
        self._server = Publisher(runtime, "server")
        self._commands = CommandSender(runtime, "hand")
        self._stop = threading.Event()
        self._seq = 0
        self._thread = threading.Thread(target=self._run, args=(rig, runtime))
        self._thread.start()

    def _run(self, rig: Rig, runtime: Path) -> None:
        try:
            node.run(rig, runtime, self._stop)
        except (DeviceError, ConfigError) as error:
            self.error = error

    def drain(self) -> None:
        while not self._pull.closed and self._pull.poll(0):
            self.samples.extend(decode_rows(self._pull.recv()))

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds * self._wait_factor
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}: {self.states()}, {self.error}"
            time.sleep(0.005)
            self.drain()

    def command(self, action: str, reason: str = "") -> None:
        self._commands.send(HandCommand(action, reason))

    def target(self, target_rad: np.ndarray, *, engaged: int = 1, seq: int | None = None) -> None:
        self._seq = self._seq + 1 if seq is None else seq
        sample = JointTarget.stamped(
            Stamp.now(),
            self._seq,
            target=target_rad,
            engaged=engaged,
            valid_until=mono_ns() + NS_PER_S,
            pose_seq=0,
            t_pose=0,
        )
        self._server.send(sample, "allegro_target")

    def of(self, kind: type[Message]) -> list[Message]:
        return [sample for sample, _ in self.samples if isinstance(sample, kind)]

    def states(self) -> list[str]:
        return [event.facts["to"] for event in self.of(Event)]

    def until_state(self, state: str, **sending: object) -> None:
        def reached() -> bool:
            if sending:
                self.target(**sending)
            return bool(self.states()) and self.states()[-1] == state

        self.until(reached, f"the state is {state}")

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5 * self._wait_factor)
        assert not self._thread.is_alive()
        self.drain()
        for end in (self._pull, self._server, self._commands):
            end.close()


@pytest.fixture
def rig(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """The simulated rig with a longer patience for targets, so that a busy machine does not look like a lost server."""
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", str(runtime))
    simulated = load_rig("simulated")
    return dataclasses.replace(
        simulated, hand=dataclasses.replace(simulated.hand, hold_after_ms=400, relax_after_ms=800)
    )


@pytest.fixture
def bench(rig: Rig, runtime: Path, wait_factor: float) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def start(rig: Rig = rig) -> Bench:
        benches.append(Bench(runtime, rig, wait_factor))
        return benches[-1]

    yield start
    for each in benches:
        each.close()


@pytest.fixture
def hand(runtime: Path) -> Iterator[ScriptedHand]:
    with ScriptedHand(runtime / "can-hand") as hand:
        yield hand


def test_start_up_and_shut_down_are_in_order_on_the_wire(hand, bench, runtime):
    started = bench()
    started.until(lambda: len(started.of(JointState)) >= 20, "20 cycles ran")
    assert (runtime / "hand.ready").exists()
    assert started.states() == ["READY"]
    started.close()
    begin = [event for event in hand.without_polling() if not isinstance(event, FingerTorque)]
    assert begin[:5] == [Servo(False), codec.InfoRequest(), codec.SerialRequest(), SetPeriod(3), Servo(True)]
    started.until(lambda: hand.heard[-6:] == STOP_EVENTS, "the stop frames are the last on the wire")


def test_every_cycle_is_recorded_with_its_stamps(hand, bench):
    started = bench()
    started.until(lambda: len(started.of(JointState)) >= 50, "50 cycles ran")

    def reported() -> bool:
        return any(np.isfinite(health.temperature).all() for health in started.of(HandHealth))

    started.until(reported, "a health report has every temperature")
    states = started.of(JointState)
    assert [state.seq for state in states] == list(range(len(states)))
    assert all(state.t_dev == ABSENT_NS for state in states)
    assert all(state.t_command >= state.t_mono for state in states)
    assert (np.diff([state.t_mono for state in states]) >= 0).all()
    np.testing.assert_allclose(states[-1].position, START, atol=2e-4)
    np.testing.assert_array_equal(states[-1].torque_command, 0)
    assert {stream for _, stream in started.samples} == {"allegro", "allegro_health", "events"}
    health = started.of(HandHealth)[-1]
    assert health.state == HandState.READY
    assert health.status == HandStatus.SERVO_ON
    assert health.temperature.reshape(4, 4).tolist() == [[43, 42, 41, 37]] * 4


def test_an_armed_hand_follows_holds_relaxes_and_is_disarmed(hand, bench):
    started = bench()
    started.until_state("READY")
    started.target(GOAL)
    started.command("arm")
    started.until_state("FOLLOW", target_rad=GOAL)

    def arrived() -> bool:
        started.target(GOAL)
        return np.abs(hand.position_rad - GOAL).max() < 0.02

    started.until(arrived, "the hand is at the goal")
    last = started._seq
    started.until_state("RELAX")
    started.command("disarm")
    started.until_state("READY")
    assert started.states() == ["READY", "FOLLOW", "HOLD", "RELAX", "READY"]
    assert started.of(JointState)[-1].target_seq == last


def test_without_arm_targets_move_nothing(hand, bench):
    started = bench()
    started.until_state("READY")
    for _ in range(20):
        started.target(GOAL)
        time.sleep(0.01)
    started.drain()
    assert started.states() == ["READY"]
    assert {event.wire for event in hand.heard if isinstance(event, FingerTorque)} == {(0, 0, 0, 0)}


def test_an_emergency_stop_cuts_power_until_disarm_and_arm(hand, bench):
    started = bench()
    started.until_state("READY")
    started.command("arm")
    started.until_state("FOLLOW", target_rad=GOAL)
    started.command("emergency_stop", "operator")
    started.until_state("FAULT")
    started.until(lambda: Servo(False) in hand.heard[10:], "servo off is on the wire")
    after = hand.heard[len(hand.heard) - 1 - hand.heard[::-1].index(Servo(False)) - 4 :]
    assert after[:5] == [*ZERO_TORQUES, Servo(False)]
    for _ in range(5):
        started.command("arm")
        started.target(GOAL)
        time.sleep(0.01)
    torques = [event for event in after[5:] if isinstance(event, FingerTorque)]
    assert {event.wire for event in torques} <= {(0, 0, 0, 0)}
    started.command("disarm")
    started.until_state("OFF")
    started.command("arm")
    started.until_state("READY")
    started.until(lambda: hand.heard.count(Servo(True)) == 2, "servo on is on the wire again")
    assert started.of(Event)[2].facts["cause"] == "emergency_stop: operator"


def test_a_fault_bit_of_the_hand_is_a_fault(hand, bench):
    started = bench()
    started.until_state("READY")
    hand.status = HandStatus.SERVO_ON | HandStatus.JOINT_TEMPERATURE_FAULT
    started.until_state("FAULT")
    assert started.of(Event)[-1].facts["cause"] == "the hand reports JOINT_TEMPERATURE_FAULT"


def test_a_hand_that_falls_silent_is_woken_up_again_and_needs_a_new_arm(hand, bench):
    started = bench()
    started.until_state("READY")
    started.command("arm")
    started.until_state("FOLLOW", target_rad=GOAL)
    hand.paused.set()
    started.until_state("FAULT", target_rad=GOAL)
    heard = len(hand.heard)
    hand.paused.clear()
    started.until_state("READY")
    started.until(lambda: Servo(True) in hand.heard[heard:], "servo on is on the wire again")
    for _ in range(10):
        started.target(GOAL)
        time.sleep(0.01)
    started.drain()
    assert started.states() == ["READY", "FOLLOW", "HOLD", "RELAX", "FAULT", "READY"]
    causes = [e.facts["cause"] for e in started.of(Event)]
    assert (causes[2], causes[4]) == ("pose frames paused", "pose frames stopped")


def test_a_hand_that_pauses_gets_no_torque_and_goes_on_without_a_new_arm(hand, bench, wait_factor):
    started = bench()
    started.until_state("READY")
    started.command("arm")
    started.until_state("FOLLOW", target_rad=GOAL)
    heard = len(hand.heard)
    hand.paused.set()
    started.until_state("HOLD", target_rad=GOAL)
    started.until(lambda: hand.heard[heard:].count(ZERO_TORQUES[0]) >= 2, "zero torque is sent")
    hand.paused.clear()
    started.until_state("FOLLOW", target_rad=GOAL)
    assert started.states() == ["READY", "FOLLOW", "HOLD", "FOLLOW"]
    assert Servo(False) not in hand.heard[heard:]


def test_a_servo_that_went_off_by_itself_is_a_fault_and_the_hand_is_started_anew(hand, bench):
    started = bench()
    started.until_state("READY")
    started.command("arm")
    hand.status = HandStatus(0)
    started.until(lambda: "FAULT" in started.states(), "the lost servo is a fault")
    hand.status = HandStatus.SERVO_ON
    started.until_state("READY")
    started.until(lambda: hand.heard.count(Servo(True)) >= 2, "the servo is switched on anew")
    assert "the hand's servo is off" in [event.facts["cause"] for event in started.of(Event)]


def test_one_dead_finger_counts_as_silence(hand, bench):
    """Three of four pose frames never complete a cycle, so the last torque would stay in the motors."""
    started = bench()
    started.until_state("READY")
    hand.silent_fingers = {2}
    started.until_state("FAULT")


def test_a_lost_pose_frame_is_counted(hand, bench):
    started = bench()
    started.until_state("READY")
    hand.silent_fingers = {3}
    time.sleep(0.02)
    hand.silent_fingers = set()
    started.until(lambda: bool(started.of(HandHealth)) and started.of(HandHealth)[-1].missing > 0, "missing is counted")


def test_without_info_the_servo_stays_off(rig, runtime, bench, monkeypatch):
    monkeypatch.setattr(startup, "GIVE_UP_NS", NS_PER_S // 2)
    with ScriptedHand(runtime / "can-hand", answers_info=False) as mute:
        started = bench()
        started.until(lambda: started.error is not None, "the node gives up")
        started.close()
        assert isinstance(started.error, DeviceError)
        assert 'set hardware_version = "v4"' in str(started.error)
        assert Servo(True) not in mute.heard
        started.until(lambda: mute.heard[-6:] == STOP_EVENTS, "the stop frames are the last on the wire")


def test_a_configured_version_stands_in_for_the_info(rig, runtime, bench):
    with ScriptedHand(runtime / "can-hand", answers_info=False) as mute:
        started = bench(dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, hardware_version="v4")))
        started.until_state("READY")
        started.until(lambda: Servo(True) in mute.heard, "servo on is on the wire")


def test_nobody_on_the_bus_is_told_with_what_to_do(bench, monkeypatch):
    monkeypatch.setattr(startup, "GIVE_UP_NS", NS_PER_S // 4)
    started = bench()
    started.until(lambda: started.error is not None, "the node gives up")
    assert "the Allegro hand does not answer" in str(started.error)
    assert "switch its supply on" in str(started.error)


def test_an_interface_that_cannot_be_opened_is_told_with_the_command_to_run(rig, runtime):
    missing = dataclasses.replace(
        rig, hand=dataclasses.replace(rig.hand, can_interface="socketcan", can_channel="can7")
    )
    with pytest.raises(DeviceError, match="next: ip link set can7 up type can bitrate 1000000"):
        node.run(missing, runtime, threading.Event())


MIDDLE_IS_FAR_ENOUGH_RAD = 0.1


@pytest.mark.parametrize(
    ("model", "interface"),
    [("allegro_v5_right_a", "virtual"), ("allegro_v5_left_b", "skin_teleop_local"), ("allegro_v4_left", "virtual")],
)
def test_every_kind_of_hand_follows_a_target(rig, bench, model, interface):
    config = dataclasses.replace(rig.hand, model=model, can_interface=interface, can_channel=model, device_id=1)
    with LightHand(config) as twin:
        started = bench(dataclasses.replace(rig, hand=config))
        started.until_state("READY")
        goal = twin.position_rad + MIDDLE_IS_FAR_ENOUGH_RAD
        started.command("arm")

        def arrived() -> bool:
            started.target(goal)
            return np.abs(twin.position_rad - goal).max() < 0.03

        started.until(arrived, "the hand is at the goal", 10)
        started.until(lambda: bool(started.of(HandHealth)), "a health report")
        assert np.isnan(started.of(HandHealth)[-1].pressure).all() == ("v4" in model)
        np.testing.assert_allclose(started.of(JointState)[-1].target, goal, atol=0.02)
        started.close()


def test_a_hand_that_gets_hot_is_shut_off_until_a_person_has_looked(rig, bench):
    with LightHand(rig.hand) as twin:
        started = bench()
        started.until_state("READY")
        twin.device.hand.temperature_c[1, 2] = 95
        started.until_state("FAULT")
        assert started.of(Event)[-1].facts["cause"] == "the hand reports 95 degC at a joint"
        started.until(lambda: not twin.device.hand.servo_on, "the servo is off")
        started.close()


def test_the_wrong_kind_of_hand_never_gets_power(rig, bench):
    with LightHand(dataclasses.replace(rig.hand, model="allegro_v4_left")) as twin:
        started = bench()
        started.until(lambda: started.error is not None, "the node gives up")
        assert "found: left hand (by its info)" in str(started.error)
        assert not twin.device.hand.servo_on


def test_on_a_bad_wire_the_node_counts_and_carries_on(rig, bench):
    with LightHand(rig.hand) as twin:
        started = bench()
        started.until_state("READY")
        twin.faults.drop_share, twin.faults.duplicate_share, twin.faults.bit_error_share = 0.1, 0.1, 0.1
        cycles = len(started.of(JointState))
        started.until(lambda: len(started.of(JointState)) > cycles + 100, "100 more cycles")
        assert started.error is None
        started.close()


def test_an_unplugged_hand_that_comes_back_is_started_anew(rig, bench):
    with LightHand(rig.hand) as twin:
        started = bench()
        started.until_state("READY")
        twin.faults.unplugged = True
        started.until_state("FAULT")
        twin.faults.unplugged = False
        started.until_state("READY")
        started.until(lambda: twin.device.hand.servo_on, "the servo is on again")
        started.close()


def test_two_hands_share_one_bus(rig, bench, runtime, wait_factor):
    """Two nodes, two runtime folders, device ids 0 and 1 on one channel: neither hears the other's hand."""
    second = dataclasses.replace(rig.hand, model="allegro_v4_left", device_id=1)
    other_runtime = runtime / "b"
    other_runtime.mkdir()
    with LightHand(rig.hand) as right, LightHand(second) as left:
        started = bench()
        other = Bench(other_runtime, dataclasses.replace(rig, hand=second), wait_factor)
        started.until_state("READY")
        other.until_state("READY")
        started.close()
        other.until(lambda: not right.device.hand.servo_on, "the right hand is off")
        assert left.device.hand.servo_on
        other.close()
        other.until(lambda: not left.device.hand.servo_on, "the left hand is off")


def test_zero_offsets_are_taken_off_what_the_hand_reports(rig, bench, tmp_path):
    file = tmp_path / "hands.toml"
    file.write_text(f'["SIM40R01"]\nzero_offset_rad = {[0.1] * 16}\n')
    calibrated = dataclasses.replace(rig.hand, calibration_file=str(file))
    with LightHand(rig.hand) as twin:
        started = bench(dataclasses.replace(rig, hand=calibrated))
        started.until(lambda: len(started.of(JointState)) > 5, "cycles ran")
        np.testing.assert_allclose(started.of(JointState)[-1].position, twin.position_rad - 0.1, atol=2e-4)
        started.close()


def test_a_hand_that_its_calibration_file_does_not_know_gets_no_power(rig, bench, tmp_path):
    file = tmp_path / "hands.toml"
    file.write_text('["5TBR0017"]\n')
    with LightHand(rig.hand) as twin:
        started = bench(dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, calibration_file=str(file))))
        started.until(lambda: started.error is not None, "the node gives up")
        assert "found: serial number 'SIM40R01'; allowed: 5TBR0017" in str(started.error)
        assert not twin.device.hand.servo_on


def test_a_first_motion_uses_a_fifth_of_the_torque(rig, bench):
    first = dataclasses.replace(rig.hand, first_motion=True)
    with LightHand(rig.hand) as twin:
        started = bench(dataclasses.replace(rig, hand=first))
        started.until_state("READY")
        started.command("arm")
        started.until_state("FOLLOW", target_rad=twin.position_rad + 0.5)
        for _ in range(30):
            started.target(twin.position_rad + 0.5)
            time.sleep(0.01)
        started.drain()
        limit_nm = hand_scale(first.model, 0x0402).torque_limit_nm
        largest_nm = np.abs([state.torque_command for state in started.of(JointState)]).max(0)
        assert (largest_nm > 0).any()
        assert (largest_nm <= 0.25 * limit_nm).all()
        started.close()


def test_a_hand_that_compensates_gravity_carries_by_the_wrists_target(rig, bench):
    """The twin has no weight, so the carried torque pushes it off its target until the stiffness balances it."""
    carrying = dataclasses.replace(rig.hand, gravity_compensation="wrist")
    with LightHand(rig.hand) as twin:
        started = bench(dataclasses.replace(rig, hand=carrying))
        started.until_state("READY")
        goal = twin.position_rad.copy()
        palm_down = [0, 0, 0, *quaternion_from_rotation(rotation_from_rpy([0, np.pi / 2, 0]))]

        def pushed() -> bool:
            started._server.send(WristTarget.stamped(Stamp.now(), 0, pose=np.array(palm_down)), "wrist")
            started.target(goal)
            return (goal - twin.position_rad)[[1, 5, 9]].min() > 0.01

        started.command("arm")
        started.until(pushed, "the fingers are carried upwards, against the palm's direction")
        assert np.abs(goal - twin.position_rad).max() < 0.2
        started.close()
