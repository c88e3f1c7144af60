"""A killed hand node is replaced on the wire: the supervisor sends zero torque, servo off and period 0 from outside."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from drivers.allegro.codec import FingerTorque, Frame, Servo, SetPeriod, decode
from drivers.simulated.light_hand import LightHand
from skin_teleop.cli import hand_watch, supervisor
from skin_teleop.cli.bench_stop import INTERFACES, running_hand_node
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import DeviceError, ProcessDied

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
    monkeypatch.setattr(supervisor, "safe_stop", lambda *_: pytest.fail("the node had sent them already"))
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
