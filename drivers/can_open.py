"""Opens a CAN bus by the name of its python-can interface: what each kind needs, and what to do when it fails."""

from __future__ import annotations

import contextlib
from typing import Any

import can
from can.interfaces.slcan import slcanBus

from drivers.serial_adapters import find_adapter
from skin_teleop.errors import DeviceError

SEND_TIMEOUT_S = 0.02
"""22 characters take 0.2 ms on a line of 1 Mbit/s."""


class SerialCanBus(slcanBus):
    """python-can's slcan, for a line that may carry anything: what is no frame is dropped, never raised.

    `malformed` counts such lines. Without its own parser's errors a broken adapter would end the process that reads.
    A line that takes nothing any more is an error of the frame, where python-can would wait for ever.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.malformed = 0
        self._cut_short = False
        super().__init__(*arguments, **options)

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Send one frame; raises can.CanOperationError when the line does not take it within the timeout."""
        super().send(msg, SEND_TIMEOUT_S if timeout is None else timeout)

    def _write(self, string: str) -> None:
        """Write one line. Where the last one may have been cut short, its rest is ended first: what the adapter has of
        it would else swallow the beginning of this one, and a stop frame would be lost that counts as sent.
        """
        begun, self._cut_short = self._cut_short, True
        super()._write(f"\r{string}" if begun else string)
        self._cut_short = False

    def shutdown(self) -> None:
        """Close the port, even when the adapter does not take its own close command."""
        with contextlib.suppress(can.CanError):
            super().shutdown()
        self.serialPortOrig.close()

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        try:
            return super()._recv_internal(timeout)
        except (ValueError, IndexError):  # not hexadecimal, or cut short
            pass
        except can.CanOperationError as error:
            if not isinstance(error.__cause__, UnicodeDecodeError):  # not even text
                raise
        self.malformed += 1
        self.flush()
        return None, False


def open_can(interface: str, channel: str, bitrate: int, hint: str = "") -> can.BusABC:
    """Open one CAN bus; raises DeviceError that says how to bring it up, and the device's own `hint`.

    Frames of udp_multicast never leave this machine (hop limit 0). A serial adapter may be named by its USB ids (see
    `serial_adapters`) and is used at once: python-can would wait 2 s for boards that start anew when they are opened,
    and a hand that lost its node cannot wait.
    """
    try:
        if interface == "slcan":
            adapter = find_adapter(channel)
            return SerialCanBus(f"{adapter.port}@{adapter.tty_baudrate}", bitrate=bitrate, sleep_after_open=0)
        options: dict[str, Any] = {"hop_limit": 0} if interface == "udp_multicast" else {}
        return can.Bus(interface=interface, channel=channel, bitrate=bitrate, **options)
    except DeviceError:
        raise
    except (can.CanError, OSError, ValueError, ImportError) as error:
        raise DeviceError(
            f"cannot open CAN channel {channel!r} of interface {interface!r}",
            found=str(error),
            allowed=f"an interface that is up at {bitrate} bit/s",
            next_step="; ".join(filter(None, (_bring_up(interface, channel, bitrate), hint))),
        ) from error


def _bring_up(interface: str, channel: str, bitrate: int) -> str:
    if interface == "socketcan":
        return f"ip link set {channel} up type can bitrate {bitrate} restart-ms 100"
    if interface == "slcan":
        return "plug the adapter in; skin-teleop doctor lists the serial ports and who may open them"
    return f"install what python-can's interface {interface!r} needs, then: skin-teleop doctor"
