"""`skin-teleop doctor`: look at this machine and say the fix for each finding. It changes nothing."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.client_files import ClientFiles
from skin_teleop.cli.doctor_devices import Finding, devices, in_words
from skin_teleop.errors import MissingPartError
from skin_teleop.native_build import compiler
from skin_teleop.rig import Rig, load_rig

MIN_FREE_GB = 5.0
BASE_PACKAGES = ("numpy", "msgspec", "pyzmq", "python-can", "pyserial", "fastapi", "uvicorn", "websockets", "zarr")
EXTRAS = {"sim": "mujoco", "train": "torch"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("--rig", default="simulated", help="rig whose devices and ports are looked at")
    parser.add_argument("--json", metavar="FILE", help="also write the findings as JSON")


def run(options: argparse.Namespace) -> int:
    """Print every finding; exit code 1 when one of them is a fault."""
    findings = list(examine(load_rig(options.rig)))
    table = Table("", "what", "found", "fix", box=None, header_style="dim")
    colours = {"ok": "green", "note": "yellow", "fault": "red"}
    for finding in findings:
        table.add_row(
            Text(finding.state, colours[finding.state]), *map(Text, (finding.what, finding.found, finding.fix))
        )
    Console().print(table)
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(finding) for finding in findings], indent=2))
    return int(any(finding.state == "fault" for finding in findings))


def examine(rig: Rig) -> Iterator[Finding]:
    """Everything that a rig needs from its machine, in the order in which a person would fix it."""
    yield _python()
    yield from _packages()
    yield _runtime_folder()
    yield _disk(Path(rig.recorder.folder))
    yield from devices(rig)
    for table, skin in rig.skins.items():
        if rig.simulates(table) and skin.source == "xela_server":
            address, what = urlsplit(skin.url), f"simulated {in_words(table)}"
            yield _free_port(what, address.hostname or "127.0.0.1", address.port or 80, f"the port in {table}.url")
    yield _free_port("server port", rig.server.host, rig.server.port, "server.port")
    yield _compiler()
    yield _headset_client()


def _compiler() -> Finding:
    try:
        return Finding("C compiler", "ok", f"{' '.join(compiler())}, for the retargeting solver and the simulated skin")
    except MissingPartError as error:
        found = f"{error.found}; retargeting then runs in numpy, some 40 ms a frame instead of 0.2"
        return Finding("C compiler", "fault", found, str(error.next_step))


def _headset_client() -> Finding:
    if ClientFiles().built:
        return Finding("headset client", "ok", "built; served by the rig, with `up --lan` also to a headset")
    return Finding("headset client", "note", "not built", "install Node 20, then: make client")


def _python() -> Finding:
    found = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    return Finding("python", "ok", found)


def _packages() -> Iterator[Finding]:
    missing = []
    for name in BASE_PACKAGES:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("packages", "fault", f"missing: {', '.join(missing)}", "pip install skin-teleop")
    else:
        yield Finding("packages", "ok", ", ".join(f"{n} {importlib.metadata.version(n)}" for n in BASE_PACKAGES[2:5]))
    for extra, module in EXTRAS.items():
        if find_spec(module) is None:
            yield Finding(f"extra [{extra}]", "note", f"{module} is absent", f"pip install 'skin-teleop[{extra}]'")
        else:
            yield Finding(f"extra [{extra}]", "ok", f"{module} is installed")


def _runtime_folder() -> Finding:
    folder = tempfile.gettempdir()
    if len(folder) > 60:
        return Finding(
            "socket folder", "fault", f"{folder} is too long for Unix sockets", "set TMPDIR to a short folder"
        )
    return Finding("socket folder", "ok", folder)


def _disk(folder: Path) -> Finding:
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if free_gb < MIN_FREE_GB:
        return Finding("disk", "fault", f"{free_gb:.1f} GB free at {existing}", "an hour of recording needs 1.4 GB")
    return Finding("disk", "ok", f"{free_gb:.0f} GB free, about {free_gb / 1.4:.0f} h of recording at 1.4 GB/h")


def _free_port(what: str, host: str, port: int, key: str) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fix = f"stop the other program, or change {key} in the rig file, or start with --free-ports"
            return Finding(what, "fault", f"{host}:{port}: {error.strerror}", fix)
    return Finding(what, "ok", f"{host}:{port} is free")
