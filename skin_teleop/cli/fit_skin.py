"""`skin-teleop fit-skin`: measure a skin's noise, gains, time constants and dead taxels from two recordings."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dataset_tools.durable import write_durably
from dataset_tools.reader import open_session
from dataset_tools.skin_fit.fit import SkinFit, fit_skin
from dataset_tools.skin_fit.forces import forces_of
from dataset_tools.skin_fit.recording import skin_recording
from drivers.simulated.skin.parameter_file import skin_file_text
from drivers.uskin.baseline import taxel_names
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import skin_layout


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--baseline", required=True, type=Path, metavar="SESSION", help="a still hand, nothing on it")
    parser.add_argument("--press", required=True, type=Path, metavar="SESSION", help="presses on a still hand")
    parser.add_argument("--weights", type=Path, metavar="CSV", help="what pressed when, for a recording without truth")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.toml", help="the skin file to write")


def run(options: argparse.Namespace) -> int:
    """Fit, print what was found and how well, and write the skin file."""
    if options.out.exists():
        raise ConfigError(f"{options.out} was to be written", found="it exists", next_step="give another --out")
    baseline = skin_recording(open_session(options.baseline))
    session = open_session(options.press)
    press = skin_recording(session)
    fit = fit_skin(baseline, press, forces_of(session, press, options.weights))
    write_durably(options.out, skin_file_text(fit.file).encode())
    _print(fit)
    print(f"skin file in {options.out}; to simulate with it, set world.skin_parameters to it in a rig file")
    return 0


def _print(fit: SkinFit) -> None:
    table = Table("parameter", "value", "95 % interval", "unit", box=None, header_style="dim")
    for name, entry in fit.file.parameters.items():
        interval = "one pad, no interval" if entry.low is None else f"{entry.low:.4g} to {entry.high:.4g}"
        table.add_row(name, f"{entry.value:.4g}", interval, entry.unit)
    Console().print(table)
    layout, presses = skin_layout(fit.file.layout), fit.presses
    quality = f"{presses.explained:.2%} of what the presses moved is explained"
    print(f"fit: {quality}; {presses.residual_counts:.1f} counts are left beside {fit.rest.noise_counts:.1f} of noise")
    print(f"forces: {fit.forces.source}" + ("" if fit.forces.known else "; sizes unknown, so gains were not fitted"))
    if not presses.shear_pads:
        print("shear: no pad was dragged, its stiffness stays the model's")
    for what, taxels in (("dead", np.array(fit.file.taxels.dead, int)), ("deaf to presses", fit.deaf)):
        print(f"{what}: {', '.join(taxel_names(taxels, layout)) if len(taxels) else 'none'}")
    if fit.unpressed:
        print(f"never pressed, their gains stay the model's: {', '.join(fit.unpressed)}")
    if all(session.simulated for session in fit.file.sessions.values()):
        print("both recordings are simulated: this file says nothing about a real skin")
