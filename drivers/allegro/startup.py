"""The order in which a hand is woken up, as a pure state machine: frames to send now, events heard, done or not.

Order of the vendor's driver: servo off, ask for info, ask for the serial number; then `power_on`: set the streaming
period, servo on. The last two are the caller's, since after an emergency stop the servo must stay off.
"""

from __future__ import annotations

from drivers.allegro.codec import (
    HandEvent,
    HandInfo,
    HostEvent,
    InfoRequest,
    PoseRequest,
    SerialNumber,
    SerialRequest,
    Servo,
    SetPeriod,
)
from drivers.allegro.identity import tells_v5
from skin_teleop.clock import NS_PER_MS, NS_PER_S
from skin_teleop.errors import DeviceError
from skin_teleop.hand import is_v4
from skin_teleop.rig import HandConfig

ASK_AGAIN_NS = 250 * NS_PER_MS
BETWEEN_REQUESTS_NS = NS_PER_MS
"""The vendor's drivers leave at least 100 us between the two requests."""
INFO_PATIENCE_NS = NS_PER_S
"""With a configured hardware version, how long the info reply of a hand that shows life is waited for."""
GIVE_UP_NS = 10 * NS_PER_S
"""How long the first start waits for a hand that may be powered on later."""


def power_on(config: HandConfig) -> tuple[HostEvent, ...]:
    """The frames that set the hand to work: stream poses at the period, servo on."""
    return SetPeriod(config.period_ms), Servo(True)


class StartUp:
    """One attempt to wake the hand up: send what `due` returns and pass every event to `hear`, until `done`."""

    def __init__(self, config: HandConfig, began_ns: int) -> None:
        self._config = config
        self._began_ns = began_ns
        self._asked_info_ns: int | None = None
        self._serial_asked = False
        self._shows_life = False
        self.info: HandInfo | None = None
        self.serial = ""
        self.done = False

    def hear(self, event: HandEvent) -> None:
        """Take an event of the hand."""
        self._shows_life = True
        if isinstance(event, HandInfo):
            self.info = event
        elif isinstance(event, SerialNumber):
            self.serial = event.text

    def due(self, now_ns: int) -> tuple[HostEvent, ...]:
        """The frames to send now; turns `done` once the hand is known."""
        if self._asked_info_ns is None:
            self._asked_info_ns = now_ns
            return Servo(False), InfoRequest()
        waited_ns = now_ns - self._asked_info_ns
        if not self._serial_asked and waited_ns >= BETWEEN_REQUESTS_NS:
            self._serial_asked = True
            return (SerialRequest(),)
        if self._serial_asked and self._is_known(now_ns):
            self.done = True
            return ()
        if waited_ns >= ASK_AGAIN_NS:
            self._asked_info_ns = now_ns
            self._serial_asked = False
            return InfoRequest(), PoseRequest(0)
        return ()

    def _is_known(self, now_ns: int) -> bool:
        """Whether it may get power: by what it said, or by `hardware_version`; never uncalibrated where a file is."""
        if self._lacks_serial:
            return False
        patient = now_ns - self._began_ns < INFO_PATIENCE_NS
        return self._tells_version or (bool(self._config.hardware_version) and self._shows_life and not patient)

    @property
    def _tells_version(self) -> bool:
        """A V5 must tell its type, since A and B differ in torque by two on three joints."""
        return self.info is not None if is_v4(self._config.model) else tells_v5(self.serial)

    @property
    def _lacks_serial(self) -> bool:
        """A file of calibrations knows a hand by its serial number alone."""
        return bool(self._config.calibration_file) and not self.serial

    def check_patience(self, now_ns: int) -> None:
        """Raise DeviceError, with what to do, once the hand has had its time."""
        if now_ns - self._began_ns < GIVE_UP_NS:
            return
        wanted, version = ("info", "v4") if is_v4(self._config.model) else ("serial number", "v5")
        within = f"within {GIVE_UP_NS // NS_PER_S} s on {self._config.can_channel!r}"
        if self._lacks_serial and (self._tells_version or (self._shows_life and self._config.hardware_version)):
            raise DeviceError(
                "the Allegro hand does not say its serial number, by which its calibration file knows it",
                found=f"other frames, and no serial number {within}",
                next_step="leave hand.calibration_file out, or ask the maker for a firmware that tells it",
            )
        waited = f"no {wanted} reply {within}"
        if self._shows_life:
            raise DeviceError(
                "the Allegro hand does not say which version it is, so its torque limits are unknown",
                found=f"{waited}, but other frames",
                next_step=f'if it is an {self._config.model}, set hardware_version = "{version}" under [hand]',
            )
        raise DeviceError(
            "the Allegro hand does not answer",
            found=waited,
            allowed=f"a powered {version.upper()} hand with device id {self._config.device_id}",
            next_step="switch its supply on, check the CAN cable and termination, then: skin-teleop doctor",
        )
