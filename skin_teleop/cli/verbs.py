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
    Verb("calibrate", "measure an operator's hand from a trace, one scale a finger", "skin_teleop.cli.calibrate"),
    Verb("doctor", "check this machine and say the fix for each finding", "skin_teleop.cli.doctor"),
    Verb("zero-skin", "measure the skin at rest, its noise and its dead taxels", "skin_teleop.cli.zero_skin"),
    Verb("verify-skin", "press where told: find turned, mirrored and swapped pads", "skin_teleop.cli.verify_skin"),
    Verb("sessions", "list the sessions in a folder", "skin_teleop.cli.sessions"),
    Verb("inspect", "show a session as one HTML page: skin, joints, hand, labels, rates", "skin_teleop.cli.inspector"),
    Verb("recover", "seal every session that a crash left as a log", "skin_teleop.cli.recover"),
    Verb("seal", "turn a finished log into a sealed session", "skin_teleop.cli.seal"),
    Verb("pack", "write the memory-mappable training form of sessions", "skin_teleop.cli.pack"),
    Verb("export", "write sessions as LeRobot, MCAP or Parquet", "skin_teleop.cli.export"),
    Verb("import", "turn data sets of others into sessions", "skin_teleop.cli.importer"),
    Verb("backup", "copy sealed sessions to another disk, verified", "skin_teleop.cli.backup"),
    Verb("check", "judge whether sessions are whole and good", "skin_teleop.cli.check"),
    Verb("label", "propose, add, accept, change, exchange and compare labels of a session", "skin_teleop.cli.label"),
    Verb("simulate", "scripted atomic actions into labelled sessions, on all cores", "skin_teleop.cli.simulate"),
    Verb("press-skin", "simulate the two recordings that fit-skin needs", "skin_teleop.cli.press_skin"),
    Verb("fit-skin", "fit the simulated skin to a baseline and a press recording", "skin_teleop.cli.fit_skin"),
    Verb("validate-skin", "compare a simulated and a real recording of the skin", "skin_teleop.cli.validate_skin"),
    Verb("pretrain", "pretrain Sparsh-skin on sessions", "skin_teleop.cli.pretrain"),
    Verb("probe", "judge a pretrained encoder with frozen linear probes", "skin_teleop.cli.probe"),
    Verb("benchmark", "what encoders bring with few labels, on recordings left out", "skin_teleop.cli.benchmark"),
    Verb("reconstruct", "draw the skin beside what the encoder still knows of it", "skin_teleop.cli.reconstruct"),
    Verb("embed", "write an encoder's embeddings beside sessions", "skin_teleop.cli.embed"),
    Verb("export-onnx", "write an encoder as an ONNX file, checked against torch", "skin_teleop.cli.export_onnx"),
    Verb("bench", "measure performance beside a yardstick in the same run", "skin_teleop.cli.bench"),
)
