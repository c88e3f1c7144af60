"""The simulated world as a process of the rig: the devices' side of every wire, at the pace of the wall clock.

When the machine is too slow, simulated time slows down instead of jumping, and the process says so once a second; the
recorded truth shows it too, since its `t_dev` is simulated time and its `t_mono` is the host's. Every 10 ms of the skin
end within a control period, which is simulated at its beginning; their frame is held back until its own moment, so that
it leaves on a steady 100 Hz and not on the grid of the hand's 3 ms.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path

from drivers.simulated.can_device import CanDevice
from drivers.simulated.hand_mirror import HandMirror
from drivers.simulated.light_second import SecondHand
from drivers.simulated.raw_skin import RawSkinDevices
from drivers.simulated.skin_devices import skin_devices
from drivers.simulated.world import World
from drivers.simulated.xela_server import XelaServer
from skin_teleop.bus import Latest, Publisher, RecorderFeed, announce_ready
from skin_teleop.clock import NS_PER_MS, NS_PER_S, mono_ns
from skin_teleop.messages import ProcessStatus, WristTarget
from skin_teleop.rig import Rig

MAX_BEHIND_NS = 30 * NS_PER_MS
"""What the world may be late and catch up; beyond that, simulated time slips."""
SLOW_BELOW = 0.97
"""Realtime factor under which the process warns."""

log = logging.getLogger(__name__)


class Pace:
    """Holds a loop to absolute deadlines and measures simulated against real time."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._start_ns = self._deadline_ns = self._since_ns = mono_ns()
        self._turns = 0

    def wait(self) -> None:
        """Sleep until the next deadline; when it is too long ago, time slips and the deadlines start anew."""
        self._turns += 1
        self._deadline_ns += self._period_ns
        behind_ns = _sleep_until(self._deadline_ns)
        if behind_ns > MAX_BEHIND_NS:
            self._deadline_ns += behind_ns
            self._start_ns += behind_ns

    def wait_for(self, simulated_ns: int) -> None:
        """Sleep until the real time of a simulated moment, if that is not over yet."""
        _sleep_until(self._start_ns + simulated_ns)

    def realtime_factor(self) -> float | None:
        """Simulated over real time of the last second, once a second; None in between."""
        elapsed_ns = mono_ns() - self._since_ns
        if elapsed_ns < NS_PER_S:
            return None
        factor = self._turns * self._period_ns / elapsed_ns
        self._since_ns, self._turns = self._since_ns + elapsed_ns, 0
        return factor


def _sleep_until(deadline_ns: int) -> int:
    """Sleep until then; returns how late it was already, ns, or at most 0."""
    behind_ns = mono_ns() - deadline_ns
    if behind_ns < 0:
        time.sleep(-behind_ns / NS_PER_S)
    return behind_ns


def run(rig: Rig, runtime: Path, stop: threading.Event) -> None:
    """Serve the simulated hand on CAN and the simulated skin on its URL until `stop`.

    A device that the rig does not simulate is left to its real end. A second hand has no part in the world.

    Raises ConfigError for an unknown object and DeviceError when the CAN channel or the skin's port is taken.
    """
    world = World(rig)
    with contextlib.ExitStack() as parts:
        hand = parts.enter_context(contextlib.closing(_hand_device(rig, runtime)))
        skin = parts.enter_context(contextlib.closing(skin_devices(rig.skin))) if rig.simulates("skin") else None
        second = parts.enter_context(contextlib.closing(SecondHand(rig)))
        feed = parts.enter_context(contextlib.closing(RecorderFeed(runtime)))
        publisher = parts.enter_context(contextlib.closing(Publisher(runtime, "world")))
        wrist = parts.enter_context(contextlib.closing(Latest(runtime, "server", WristTarget, "wrist")))
        announce_ready(runtime, "world")
        log.info("the simulated world runs: %d ms control period, object %s", rig.hand.period_ms, world.object_name)
        pace = Pace(world.period_ns)
        while not stop.is_set():
            second.turn()
            torque_nm = hand.exchange(world.joint_position_rad, world.time_ns)
            world.advance(torque_nm)
            while (ended_ns := world.ended_skin_period_ns) is not None:
                pace.wait_for(ended_ns)
                _serve_skin(world, skin, feed, publisher, wrist)
                second.serve_skin()
            _report(pace, publisher)
            pace.wait()
    log.info("the simulated world stopped after %.1f simulated s", world.time_ns / NS_PER_S)


def _hand_device(rig: Rig, runtime: Path) -> CanDevice | HandMirror:
    """The simulated hand's end of the CAN bus, or what lets it follow the real hand."""
    return CanDevice(rig.hand) if rig.simulates("hand") else HandMirror(rig.hand, runtime)


def _serve_skin(
    world: World,
    skin: XelaServer | RawSkinDevices | None,
    feed: RecorderFeed,
    publisher: Publisher,
    wrist: Latest[WristTarget],
) -> None:
    """At the end of a skin period: hand out truth and counts, look for a new wrist target.

    Beside a real skin the truth is shown, but not recorded: it would not be that skin's.
    """
    truth = world.skin_frame()
    if truth is None:
        return
    publisher.send(truth, "truth")
    if skin is not None:
        feed.send(truth, "truth")
        skin.publish(world.scan.counts, world.scan.updates_per_s, truth.t_wall)
    target = wrist.take()
    if target is not None and not world.aim_wrist(target.pose):
        log.warning("a wrist target was ignored: %s is not a pose", target.pose)


def _report(pace: Pace, publisher: Publisher) -> None:
    factor = pace.realtime_factor()
    if factor is None:
        return
    publisher.send(ProcessStatus("world", "serving", f"realtime factor {factor:.2f}"), "status")
    if factor < SLOW_BELOW:
        log.warning("this machine is too slow: simulated time runs at %.2f of real time", factor)
