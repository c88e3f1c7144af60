"""`skin-teleop up`: start a rig, show how to reach it, watch it until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

import segno

from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.rig import load_rig


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `up`."""
    parser.add_argument("--rig", default="simulated", help="TOML file of the rig, or `simulated`")
    parser.add_argument("--free-ports", action="store_true", help="use ports that are free now, not the rig's")


def run(options: argparse.Namespace) -> int:
    """Start the rig and stay until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    rig = load_rig(options.rig)
    rig = rig.on_free_ports() if options.free_ports else rig
    try:
        with RunningRig(rig) as running:
            _welcome(running)
            running.wait()
    except KeyboardInterrupt:
        print("\nrig stopped: the hand is off, recordings are sealed")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _welcome(running: RunningRig) -> None:
    address = f"{running.server_url}#t={running.token}"
    print(f"rig        {running.rig.name}: {', '.join(running.rig.processes)}")
    print(f"address    {address}")
    print(f"socket     {running.operator_url}")
    print(f"code       {running.token}")
    print(f"sessions   {running.rig.recorder.folder}")
    segno.make(address, error="l").terminal(out=sys.stdout, compact=True)
    print("Ctrl-C stops the rig", flush=True)
