"""Hand over the newest value from one thread to another; older ones are overwritten, never queued."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Newest(Generic[Value]):
    """A slot for one value."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: Value | None = None
        self.overwritten = 0

    def put(self, value: Value) -> None:
        """Offer a value; one that nobody took yet is replaced and counted."""
        with self._changed:
            self.overwritten += self._value is not None
            self._value = value
            self._changed.notify()

    def take(self, timeout_s: float) -> Value | None:
        """The value that was not taken yet, or None after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None, timeout_s)
            value, self._value = self._value, None
            return value
