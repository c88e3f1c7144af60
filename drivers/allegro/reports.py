"""The hand node's ends on the rig's message bus: commands and targets in, samples and events out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from drivers.allegro.safety import Transition
from skin_teleop.bus import CommandInbox, Latest, Publisher, RecorderFeed, announce_ready
from skin_teleop.errors import WireError
from skin_teleop.messages import Event, HandCommand, HandHealth, JointState, JointTarget, WristTarget

DISPLAY_EVERY = 5
"""Every fifth joint state (67 Hz) is published for display; all of them go to the recorder."""
MAX_CAUSE_CHARS = 200

log = logging.getLogger(__name__)


class HandReports:
    """Sockets of the hand node; `name` is the hand's instance name, which is its stream's, `device` its process'."""

    def __init__(self, runtime: Path, name: str, device: str = "hand", *, follows: str | None = None) -> None:
        """Open them; `follows` is the stream of wrist targets of a hand that needs them."""
        self._name = name
        self._runtime, self._device = runtime, device
        self._events = 0
        self._inbox = CommandInbox(runtime, device)
        self._targets = Latest(runtime, "server", JointTarget, f"{name}_target")
        self._wrist = Latest(runtime, "server", WristTarget, follows) if follows else None
        self._feed = RecorderFeed(runtime)
        self._publisher = Publisher(runtime, device)

    def ready(self) -> None:
        """Say that the hand answers."""
        announce_ready(self._runtime, self._device)

    def commands(self) -> Iterator[HandCommand]:
        """Every hand command waiting now."""
        for message in self._inbox.drain():
            if isinstance(message, HandCommand):
                yield message

    def target(self) -> JointTarget | None:
        """The newest joint target that was not taken yet."""
        try:
            return self._targets.take()
        except WireError as error:
            log.warning("joint target ignored: %s", error)
            return None

    def wrist(self) -> WristTarget | None:
        """The newest wrist target that was not taken yet, for a hand that follows it."""
        try:
            return self._wrist.take() if self._wrist else None
        except WireError as error:
            log.warning("wrist target ignored: %s", error)
            return None

    def cycle(self, sample: JointState) -> None:
        """Hand over one control cycle."""
        self._feed.send(sample, self._name)
        if sample.seq % DISPLAY_EVERY == 0:
            self._publisher.send(sample, self._name)

    def health(self, sample: HandHealth) -> None:
        """Hand over the 1 Hz condition of the hand."""
        self._feed.send(sample, f"{self._name}_health")
        self._publisher.send(sample, f"{self._name}_health")

    def transition(self, change: Transition) -> None:
        """Record a change of state as event `hand_state`."""
        log.info("hand %s: %s -> %s (%s)", self._name, change.before.name, change.after.name, change.cause)
        facts = {"from": change.before.name, "to": change.after.name, "cause": change.cause[:MAX_CAUSE_CHARS]}
        self._feed.send(Event.now("hand_state", self._events, device=self._name, **facts), "events")
        self._events += 1

    def close(self) -> None:
        """Release every socket."""
        for end in (self._inbox, self._targets, self._wrist, self._feed, self._publisher):
            if end is not None:
                end.close()
