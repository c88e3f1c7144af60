"""`skin-teleop import`: data sets of others as ordinary sessions."""

from __future__ import annotations

import argparse
from pathlib import Path

from dataset_tools.imports.sparsh_skin import import_sparsh_skin


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("form", choices=("sparsh-skin",), help="the public Sparsh-skin recordings (pickles)")
    parser.add_argument("folder", type=Path, help="folder with <object>/<sequence>/xela/data.pkl")
    parser.add_argument("--to", type=Path, default=Path("sessions"), metavar="FOLDER", help="where the sessions go")
    parser.add_argument("--licence", default="cc-by-nc-4.0", help="licence that is stored with each session")


def run(options: argparse.Namespace) -> int:
    """Import what is not there yet; 1 when a recording had to be left out."""
    left_out = 0
    for one in import_sparsh_skin(options.folder, options.to, licence=options.licence):
        print(f"{one.source}: {one.note}" + (f"  {one.session}" if one.session else ""), flush=True)
        left_out += one.session is None
    return 1 if left_out else 0
