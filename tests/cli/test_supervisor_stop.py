"""A killed hand node is replaced on the wire: the supervisor sends zero torque, servo off and period 0 from outside."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import can
import numpy as np
import pytest

from drivers.allegro import safe_stop
from drivers.allegro.codec import FingerTorque, Frame, Servo, SetPeriod, decode
from drivers.simulated.light_hand import LightHand
from skin_teleop.bus import announce_ready
from skin_teleop.cli import hand_watch, supervisor
from skin_teleop.cli.bench_stop import INTERFACES, running_hand_node
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import DeviceError, ProcessDied
from skin_teleop.rig import ServerConfig, load_rig

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # python-can's own slcan
STOP_FRAMES = [*(Frame(0x180 + 4 * f, bytes(8)) for f in range(4)), Frame(0x104), Frame(0x204, bytes(6))]


@pytest.fixture
def supervised(request, monkeypatch) -> Iterator[tuple[RunningRig, LightHand]]:
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", "")  # put back afterwards: the supervisor sets it
    try:
        with running_hand_node(getattr(request, "param", "skin_teleop_local")) as parts:
            yield parts
    except DeviceError as error:
        pytest.skip(f"this machine has no such interface: {error.found}")


def spy_on(twin: LightHand) -> list[Frame]:
    """Every command that reaches the hand from now on; udp_multicast gives it its own frames back, which are none."""
    heard: list[Frame] = []
    receive = twin.device.hand.receive

    def spying(frame: Frame, position_rad: np.ndarray) -> Iterator[Frame]:
        if isinstance(decode(frame.id, frame.data, frame.is_remote), FingerTorque | Servo | SetPeriod):
            heard.append(frame)
        return receive(frame, position_rad)

    twin.device.hand.receive = spying
    return heard


def wait_for_off(twin: LightHand, wait_factor: float) -> None:
    deadline = time.monotonic() + 5 * wait_factor
    while twin.device.hand.servo_on or twin.device.hand.period.position_ms:
        assert time.monotonic() < deadline, "the hand stays on"
        time.sleep(0.005)


@pytest.mark.parametrize("supervised", INTERFACES, indirect=True)
def test_the_stop_frames_are_the_last_on_every_interface(supervised, wait_factor):
    running, twin = supervised
    os.kill(running.pid("hand"), signal.SIGKILL)
    while os.waitid(os.P_PID, running.pid("hand"), os.WEXITED | os.WNOWAIT) is None:
        time.sleep(0.005)
    time.sleep(0.05)  # what the node had sent has arrived
    heard = spy_on(twin)
    with pytest.raises(ProcessDied, match=r"the hand process of rig simulated died.*exit code -9"):
        running.check()
    wait_for_off(twin, wait_factor)
    assert heard[-6:] == STOP_FRAMES
    assert not twin.device.hand.torque_nm.any()


def test_a_node_that_does_not_leave_in_time_is_killed_and_replaced(supervised, monkeypatch, wait_factor):
    running, twin = supervised
    monkeypatch.setitem(supervisor.STOP_TIMEOUT_S, "hand", 0.2)
    os.kill(running.pid("hand"), signal.SIGSTOP)  # a process that hangs: it never sees SIGTERM
    time.sleep(0.05)
    heard = spy_on(twin)
    running.stop()
    wait_for_off(twin, wait_factor)
    assert heard[-6:] == STOP_FRAMES


def test_a_node_that_hangs_is_killed_and_replaced(supervised, monkeypatch, wait_factor):
    running, twin = supervised
    monkeypatch.setattr(hand_watch, "HUNG_AFTER_S", 1.5 * wait_factor)
    time.sleep(0.3)
    running.check()
    os.kill(running.pid("hand"), signal.SIGSTOP)  # alive for the kernel, deaf for the hand
    deadline = time.monotonic() + 10 * wait_factor
    with pytest.raises(ProcessDied, match="the hand process of rig simulated died"):
        while time.monotonic() < deadline:
            running.check()
            time.sleep(0.02)
    wait_for_off(twin, wait_factor)
    assert not twin.device.hand.torque_nm.any()


def test_an_orderly_end_needs_nothing_from_outside(supervised, monkeypatch, wait_factor):
    running, twin = supervised
    monkeypatch.setattr(supervisor, "stop_from_outside", lambda *_: pytest.fail("the node had sent them already"))
    heard = spy_on(twin)
    running.stop()
    wait_for_off(twin, wait_factor)
    assert heard[-6:] == STOP_FRAMES
    assert heard.count(Frame(0x104)) == 1


def test_of_several_dead_processes_the_hand_comes_first(monkeypatch, tmp_path, wait_factor):
    """The recorder stands before the hand in the rig's order; its seal may take long, the hand must not wait for it."""
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", "")
    with running_hand_node("skin_teleop_local", ("recorder", "hand"), tmp_path) as (running, twin):
        for name in ("recorder", "hand"):
            os.kill(running.pid(name), signal.SIGKILL)
        time.sleep(0.1)
        heard = spy_on(twin)
        with pytest.raises(ProcessDied, match="the hand process of rig simulated died"):
            running.check()
        wait_for_off(twin, wait_factor)
        assert heard[-6:] == STOP_FRAMES


STUBBORN = """
signal.signal(signal.SIGTERM, lambda *_: None)
print("deaf", flush=True)
time.sleep(60)
"""


class DeafBus:
    """A bus that takes no frame and cannot even be left."""

    def send(self, message: can.Message) -> None:
        raise can.CanOperationError("No buffer space available", 105)

    def shutdown(self) -> None:
        raise can.CanOperationError("Network is down", 100)


@pytest.fixture
def stand_in(monkeypatch, tmp_path) -> Iterator[Callable[..., RunningRig]]:
    """A rig whose processes are what a test says."""
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", "")
    children: list[subprocess.Popen[bytes]] = []

    def running_rig(**programs: str) -> RunningRig:
        running = RunningRig(load_rig("simulated").with_recordings_in(tmp_path))
        for name, program in programs.items():
            command = [sys.executable, "-c", f"import signal, time\n{program}"]
            children.append(subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE))
            running._children[name] = children[-1]
            (running.runtime / f"{name}.log").write_text("last words")
            announce_ready(running.runtime, name)
        return running

    yield running_rig
    for child in children:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("hand", ["signal.raise_signal(signal.SIGKILL)", "raise SystemExit(1)"])
def test_a_hand_whose_bus_takes_nothing_is_told_and_the_rest_is_ended(stand_in, monkeypatch, caplog, hand):
    monkeypatch.setattr(safe_stop, "TRY_FOR_S", 0.005)
    monkeypatch.setattr(safe_stop, "open_bus", lambda config: DeafBus())
    running = stand_in(recorder="time.sleep(60)", hand=hand)
    recorder = running._children["recorder"]
    running._children["hand"].wait()
    told = "the hand process of rig simulated died; allegro COULD NOT BE SWITCHED OFF: cut the power"
    with pytest.raises(ProcessDied, match=told):
        running.check()
    assert recorder.poll() == -signal.SIGTERM
    assert not running.runtime.exists()
    assert "took 0 of 6 stop frames" in caplog.text
    assert "cut its power" in caplog.text
    assert running.powered_hands == ["allegro"]


class Powered(RunningRig):
    """A rig whose hand cannot be left without power; its `encoder` does not start."""

    def _start(self, name: str) -> None:
        if name == "encoder":
            raise ProcessDied("the encoder process did not start", found="no run")
        self._children[name] = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
        self._children[name].wait()
        announce_ready(self.runtime, name)

    def _stop_from_outside(self, hand: str) -> bool:
        return False


STILL_ON = "allegro COULD NOT BE SWITCHED OFF: cut the power"


def test_a_hand_that_stays_on_is_told_at_every_end_of_a_rig(tmp_path):
    rig = load_rig("simulated").with_recordings_in(tmp_path)
    with pytest.raises(DeviceError, match=f"rig simulated was ended; {STILL_ON}$"), Powered(rig, ("hand",)):
        pass
    with (
        pytest.raises(DeviceError, match=f"{STILL_ON}; found: the encoder process did not start; found: no run"),
        Powered(rig, ("hand", "encoder")),
    ):
        pass
    with pytest.raises(DeviceError, match=f"{STILL_ON}$"), Powered(rig, ("hand",)):
        raise KeyboardInterrupt
    with pytest.raises(ProcessDied, match="said already"), Powered(rig, ("hand",)):
        raise ProcessDied(f"{STILL_ON}, said already")


def test_of_a_node_that_could_not_open_its_bus_the_repair_is_told_and_no_power(tmp_path, monkeypatch):
    monkeypatch.setenv("SKIN_TELEOP_RUNTIME", "")
    rig = load_rig("simulated").with_recordings_in(tmp_path)
    rig = dataclasses.replace(rig, hand=dataclasses.replace(rig.hand, can_interface="socketcan", can_channel="can7"))
    with pytest.raises(ProcessDied, match=r"^the hand process did not start; found: .*next: ip link set can7 up"):
        RunningRig(rig, ("hand",)).__enter__()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_does_not_keep_a_dead_hand_from_being_replaced(stand_in, monkeypatch, number):
    replaced: list[str] = []

    def stop_from_outside(hand: str) -> bool:
        signal.raise_signal(number)
        replaced.append(hand)
        return True

    running = stand_in(recorder="time.sleep(60)", hand="raise SystemExit(1)")
    monkeypatch.setattr(running, "_stop_from_outside", stop_from_outside)
    running._children["hand"].wait()
    with pytest.raises(ProcessDied, match="the hand process of rig simulated died; the hand is off"):
        running.check()
    assert replaced == ["hand", "hand"]


@pytest.mark.parametrize("hand", ["time.sleep(60)", "raise SystemExit(1)"])
def test_the_hand_is_ended_before_everything_else(stand_in, monkeypatch, hand):
    monkeypatch.setitem(supervisor.STOP_TIMEOUT_S, "server", 0.2)
    running = stand_in(recorder="time.sleep(60)", hand=hand, server=STUBBORN)
    others = [running._children[name] for name in ("recorder", "server")]
    others[1].stdout.readline()
    if "Exit" in hand:
        running._children["hand"].wait()
    alive: list[bool] = []

    def stop_from_outside(hand: str) -> bool:
        alive.extend(child.poll() is None for child in others)
        return True

    monkeypatch.setattr(running, "_stop_from_outside", stop_from_outside)
    running.stop()
    assert alive == [True, True]
    assert list(running._exit_codes) == ["hand", "server", "recorder"]


@pytest.mark.parametrize(("exit_code", "replaced"), [(0, []), (1, ["hand"]), (-9, ["hand"])])
def test_a_node_that_did_not_end_well_is_replaced(stand_in, monkeypatch, exit_code, replaced):
    seen: list[str] = []
    running = stand_in(hand=f"raise SystemExit({exit_code})" if exit_code >= 0 else "signal.raise_signal(9)")
    monkeypatch.setattr(running, "_stop_from_outside", lambda hand: seen.append(hand) is None)
    running._children["hand"].wait()
    running.stop()
    assert seen == replaced
    assert running.hands_are() == "the hand is off"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_cut_the_end_of_a_rig_short(stand_in, monkeypatch, caplog, number):
    monkeypatch.setitem(supervisor.STOP_TIMEOUT_S, "server", 0.6)
    running = stand_in(recorder="time.sleep(60)", hand="time.sleep(60)", server=STUBBORN)
    children = dict(running._children)
    children["server"].stdout.readline()
    before = signal.getsignal(number)
    insisting = threading.Timer(0.2, lambda: os.kill(os.getpid(), number))
    monkeypatch.setattr(running, "_stop_from_outside", lambda hand: True)
    insisting.start()
    running.stop()
    assert [child.poll() for child in children.values()] == [-signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL]
    assert "still sealing" in caplog.text
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("host", "tls", "urls"),
    [
        ("127.0.0.1", False, ("http://127.0.0.1:8040/", "ws://127.0.0.1:8040/ws/operator")),
        ("0.0.0.0", True, ("https://127.0.0.1:8040/", "wss://127.0.0.1:8040/ws/operator")),
        ("lab.local", True, ("https://lab.local:8040/", "wss://lab.local:8040/ws/operator")),
    ],
)
def test_a_rig_is_reached_as_it_serves(stand_in, host, tls, urls):
    running = stand_in()
    running.rig = dataclasses.replace(running.rig, server=ServerConfig(host=host, tls=tls))
    assert (running.server_url, running.operator_url) == urls
    running.stop()
