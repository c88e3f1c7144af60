"""How soon a hand is without power after its node was killed: the supervisor's stop from outside, by CAN interface."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from drivers.allegro.link import open_bus
from drivers.simulated.light_hand import LightHand
from drivers.simulated.slcan_adapter import SlcanAdapter
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.errors import DeviceError, ProcessDied
from skin_teleop.rig import HandConfig, load_rig

INTERFACES = ("skin_teleop_local", "udp_multicast", "slcan", "socketcan")
SLCAN_PERIOD_MS = 20
"""python-can's slcan parser cannot follow the hand's full rate."""
ROUNDS = 5
PATIENCE_S = 10.0


def bench_stop() -> dict[str, float | str]:
    """Milliseconds from SIGKILL of the hand node to servo off at the hand, the longest of a few kills by interface.

    Where this machine has no such interface, the reason stands in place of the figure.
    """
    return {interface: _longest_ms(interface) for interface in INTERFACES}


def _longest_ms(interface: str) -> float | str:
    try:
        return max(_kill_to_off_ms(interface) for _ in range(ROUNDS))
    except DeviceError as error:
        return f"not measured: {error.found}"


@contextlib.contextmanager
def running_hand_node(
    interface: str, processes: tuple[str, ...] = ("hand",), recordings: Path = Path("sessions")
) -> Iterator[tuple[RunningRig, LightHand]]:
    """A supervised hand node that has switched on a simulated hand behind one kind of interface.

    Raises DeviceError when this machine has no such interface.
    """
    running = RunningRig(load_rig("simulated").with_recordings_in(recordings), processes)
    os.environ["SKIN_TELEOP_RUNTIME"] = str(running.runtime)
    with _hand_behind(interface, running.rig.hand) as (config, twin):
        running.rig = dataclasses.replace(running.rig, hand=config)
        with running:
            _until(lambda: twin.device.hand.servo_on)
            yield running, twin


@contextlib.contextmanager
def _hand_behind(interface: str, config: HandConfig) -> Iterator[tuple[HandConfig, LightHand]]:
    """What the rig file of such a hand says, and the hand."""
    if interface == "slcan":
        wire = dataclasses.replace(
            config, can_interface="virtual", can_channel=f"slcan-{os.getpid()}", period_ms=SLCAN_PERIOD_MS
        )
        with LightHand(wire) as twin, SlcanAdapter(open_bus(wire)) as adapter:
            yield dataclasses.replace(wire, can_interface="slcan", can_channel=adapter.port), twin
        return
    channel = {"udp_multicast": f"239.74.163.{os.getpid() % 250 + 1}", "socketcan": "vcan0"}.get(interface, "hand")
    config = dataclasses.replace(config, can_interface=interface, can_channel=channel)
    with LightHand(config) as twin:
        yield config, twin


def _kill_to_off_ms(interface: str) -> float:
    with running_hand_node(interface) as (running, twin):
        supervisor = threading.Thread(target=_supervise, args=(running,), name="supervisor")
        supervisor.start()
        killed_s = time.monotonic()
        os.kill(running.pid("hand"), signal.SIGKILL)
        off_s = _until(lambda: not twin.device.hand.servo_on)
        supervisor.join()
        return 1000 * (off_s - killed_s)


def _supervise(running: RunningRig) -> None:
    with contextlib.suppress(ProcessDied):
        running.wait()


def _until(condition: Callable[[], bool]) -> float:
    """Wait for something that happens in this process's threads; the monotonic moment at which it was seen, s."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise ProcessDied("the hand's node does not do its part", found=f"nothing within {PATIENCE_S:.0f} s")
        time.sleep(0.0005)
    return time.monotonic()
