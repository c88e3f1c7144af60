"""Errors that read like a repair manual: what was asked, what was found, what is allowed, what to run next."""

from __future__ import annotations


class SkinTeleopError(Exception):
    """Root of every error that a user of the project may meet.

    The four facts stay readable as attributes, so that a page or a program can show them apart.
    """

    def __init__(
        self,
        asked: str,
        *,
        found: str | None = None,
        allowed: str | None = None,
        next_step: str | None = None,
    ) -> None:
        self.asked = asked
        self.found = found
        self.allowed = allowed
        self.next_step = next_step
        parts = [asked]
        if found is not None:
            parts.append(f"found: {found}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if next_step is not None:
            parts.append(f"next: {next_step}")
        super().__init__("; ".join(parts))


class ConfigError(SkinTeleopError, ValueError):
    """A rig file, a preset or a command-line value is not usable."""


class WireError(SkinTeleopError, ValueError):
    """Bytes from outside do not follow the protocol; they are counted and dropped, never acted on."""


class DeviceError(SkinTeleopError, OSError):
    """A device or its bus cannot be opened, or has gone away."""


class BusError(SkinTeleopError, ConnectionError):
    """The rig's internal message bus cannot carry a message."""


class AccessError(SkinTeleopError, PermissionError):
    """A token, an Origin or a controlling seat was refused."""


class SessionError(SkinTeleopError, ValueError):
    """A session folder cannot be read, written or sealed."""


class TraceError(SkinTeleopError, ValueError):
    """A recorded hand trace (.npz) cannot be played."""


class MissingPartError(SkinTeleopError, ImportError):
    """An optional part is not installed; the message says which extra brings it."""


class ProcessDied(SkinTeleopError, RuntimeError):
    """A process of the rig ended when it should have been running."""


class TrainingError(SkinTeleopError, ArithmeticError):
    """A pretraining run cannot go on, for example because its loss is not a number."""
