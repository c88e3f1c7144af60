"""`skin-teleop inspect`: look at a session, or at a hand trace and the robot hand that follows it, as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from skin_teleop.cli.inspect_session import inspect_session
from skin_teleop.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("session", nargs="?", type=Path, help="session folder, sealed or not, or a pack")
    parser.add_argument(
        "--retarget",
        metavar="TRACE",
        help="instead of a session: a hand trace (.npz), or pinch, fist, spread or thumb-sweep, with the robot hand "
        "that follows it; --out FILE.png writes the picture alone",
    )
    parser.add_argument("--from", dest="from_s", type=float, metavar="S", help="show from here, s since the start")
    parser.add_argument("--to", dest="to_s", type=float, metavar="S", help="show to here, s since the start")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a new HTML file (default: SESSION.inspect.html, written anew)"
    )


def run(options: argparse.Namespace) -> int:
    """Write the page and say where it stands."""
    if options.retarget is not None:
        from skin_teleop.cli.inspect_retarget import inspect_retarget  # needs matplotlib

        print(inspect_retarget(options.retarget, options.out))
        return 0
    if options.session is None:
        raise ConfigError("nothing to inspect was named", allowed="skin-teleop inspect SESSION, or --retarget TRACE")
    print(inspect_session(options.session, options.out, options.from_s, options.to_s))
    return 0
