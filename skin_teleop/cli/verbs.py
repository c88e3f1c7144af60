"""Which verbs exist and where they live. A verb's module is imported only when the verb is used.

A verb module offers `configure(parser)` and `run(options) -> int` (the exit code).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast


class VerbModule(Protocol):
    """What every verb module offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's arguments."""

    def run(self, options: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the command line."""

    name: str
    help: str
    module: str

    def load(self) -> VerbModule:
        """Import the module behind the verb."""
        return cast(VerbModule, import_module(self.module))


VERBS = (
    Verb("demo", "the whole chain on the simulated rig, in about five minutes", "skin_teleop.cli.demo"),
    Verb("up", "start a rig and keep it running until Ctrl-C", "skin_teleop.cli.up"),
    Verb("operate", "play a hand trace (.npz) through the real WebSocket", "skin_teleop.cli.operate"),
    Verb("doctor", "check this machine and say the fix for each finding", "skin_teleop.cli.doctor"),
    Verb("sessions", "list the sessions in a folder", "skin_teleop.cli.sessions"),
    Verb("recover", "seal every session that a crash left as a log", "skin_teleop.cli.recover"),
    Verb("seal", "turn a finished log into a sealed session", "skin_teleop.cli.seal"),
    Verb("label", "propose, add and list labels of a session", "skin_teleop.cli.label"),
    Verb("pretrain", "pretrain Sparsh-skin on sessions", "skin_teleop.cli.pretrain"),
    Verb("probe", "judge a pretrained encoder with frozen linear probes", "skin_teleop.cli.probe"),
    Verb("bench", "measure performance beside a yardstick in the same run", "skin_teleop.cli.bench"),
)
