"""A simulated hand without a world: the same CAN device, on joints that have no mass.

For benchmarks, conformance tests and first tries of a bus, where a physics engine would only cost time. Its joints
turn at a speed proportional to torque and stop at their limits; there is no gravity, no inertia and no contact.
"""

from __future__ import annotations

import threading

from drivers.simulated.can_device import CanDevice
from drivers.simulated.faults import FaultyBus, WireFaults
from skin_teleop.clock import NS_PER_S, Ticker, mono_ns
from skin_teleop.hand import hand_model
from skin_teleop.rig import HandConfig
from skin_teleop.transforms import Array

TURN_NS = NS_PER_S // 1000
MOBILITY_RAD_PER_S_NM = 10.0


class LightHand:
    """Serves a hand on its configured CAN channel from a thread, as a context manager."""

    def __init__(self, config: HandConfig) -> None:
        self._model = hand_model(config.model, config.finger_joint1_z_m)
        self.position_rad: Array = (self._model.lower_rad + self._model.upper_rad) / 2
        """(16,) rad; the hand begins in the middle of its range."""
        self.faults = WireFaults()
        self.device = CanDevice(config, lambda bus: FaultyBus(bus, self.faults))
        self._turned_ns = mono_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="light hand")

    def __enter__(self) -> LightHand:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.device.close()

    def turn(self) -> None:
        """Answer the host, stream what is due, and let the joints turn by the time since the turn before."""
        now_ns = mono_ns()
        torque_nm = self.device.exchange(self.position_rad, now_ns)
        step_rad = MOBILITY_RAD_PER_S_NM * torque_nm * (now_ns - self._turned_ns) / NS_PER_S
        self.position_rad, self._turned_ns = self._model.clamp(self.position_rad + step_rad), now_ns

    def _live(self) -> None:
        ticker = Ticker(TURN_NS)
        self._turned_ns = mono_ns()
        while not self._stop.wait(ticker.seconds_left()):
            ticker.advance()
            self.turn()
