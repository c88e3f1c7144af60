"""`skin-teleop up`: start a rig, show how to reach it, watch it until Ctrl-C."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

import segno

from server.certificates import lan_addresses
from server.hand_follower import driving_hands
from server.invitations import ask_for_invitation
from skin_teleop.cli.first_motion import confirm_first_motion
from skin_teleop.cli.restarting_rig import RestartingRig
from skin_teleop.cli.supervisor import RunningRig
from skin_teleop.rig import Rig, load_rig


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `up`."""
    parser.add_argument("--rig", default="simulated", help="TOML file of the rig, or `simulated`")
    parser.add_argument("--free-ports", action="store_true", help="use ports that are free now, not the rig's")
    parser.add_argument(
        "--lan", action="store_true", help="serve https to the local network, for a headset on the same Wi-Fi"
    )
    parser.add_argument(
        "--first-motion", action="store_true", help="a new hand: ask, then ramp its torque limits from 20 %% over 60 s"
    )


def run(options: argparse.Namespace) -> int:
    """Start the rig and stay until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    rig = load_rig(options.rig)
    rig = rig.on_free_ports() if options.free_ports else rig
    rig = for_local_network(rig) if options.lan else rig
    rig = confirm_first_motion(rig) if options.first_motion else rig
    running = RestartingRig(rig)
    try:
        with running:
            _welcome(running)
            _stay(running)
    except KeyboardInterrupt:
        print(f"\nrig stopped: {running.hands_are()}, recordings are sealed")
    return 0


def _stay(running: RestartingRig) -> NoReturn:
    """Watch until a process may not be started again (raises ProcessDied) or a person interrupts."""
    while True:
        running.check()
        for name in running.take_returned():
            print(f"restarted  {name} serves again")
            if name == "server":
                _welcome(running)
        time.sleep(0.05)


def for_local_network(rig: Rig) -> Rig:
    """The same rig, served with TLS on every network of this machine."""
    return dataclasses.replace(rig, server=dataclasses.replace(rig.server, host="0.0.0.0", tls=True))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _welcome(running: RunningRig) -> None:
    server = running.rig.server
    scheme = "https" if server.tls else "http"
    everywhere = server.host == "0.0.0.0"
    local = running.server_url
    reachable = [f"{scheme}://{address}:{server.port}/" for address in lan_addresses()] if everywhere else [local]
    headset, desk = (ask_for_invitation(local, running.token) for _ in range(2))
    address = f"{(reachable or [local])[0]}#t={headset.token}"
    print(f"rig        {running.rig.name}: {', '.join(running.rig.processes)}")
    for table, side in driving_hands(running.rig).items():
        hand = running.rig.hands[table]
        where = "simulated" if running.rig.simulates(table) else f"{hand.can_interface} {hand.can_channel}"
        print(f"hand       {hand.name}: {hand.model}, {where}, id {hand.device_id}, driven by the {side} hand")
    print(f"headset    {address}")
    for other in reachable[1:]:
        print(f"           {other} (the same server)")
    print(f"           or type the code {headset.code} on that page; each invitation works once")
    print(f"desk       {local}desk#t={desk.token}")
    if server.tls:
        print(f"authority  {(reachable or [local])[0]}ca.crt (install once, or accept the warning once)")
    print(f"socket     {running.operator_url}")
    print(f"code       {running.token} (for programs on this machine)")
    print(f"sessions   {running.rig.recorder.folder}")
    segno.make(address, error="l").terminal(out=sys.stdout, compact=True)
    print("Ctrl-C stops the rig", flush=True)
