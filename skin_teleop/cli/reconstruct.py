"""Verb `reconstruct`: what the skin felt beside what a decoder reads back from the frozen encoder's tokens."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from encoder.training_extra import require_training_extra
from skin_teleop.cli.probe import load_recordings
from skin_teleop.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder with config.json and model.safetensors")
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="session folders")
    parser.add_argument("--out", type=Path, default=Path("reconstruction.png"), metavar="FILE", help="picture (.png)")
    parser.add_argument("--animation", type=Path, metavar="FILE", help="animation (.gif) around the liveliest moment")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of the animation, 0.1 to 10 s")


def run(options: argparse.Namespace) -> int:
    """Train the decoder on the sessions' train part, draw the liveliest held-out moment, and animate it if asked."""
    _check(options)
    require_training_extra("a reconstruction")
    from encoder.checkpoint import load_config, load_encoder, windows_for
    from encoder.reconstruction import moments, read_back, reconstruct, train_decoder
    from skin_teleop.cli.report.pictures import reconstruction_pair
    from skin_teleop.cli.report.reconstruction_animation import save_animation
    from skin_teleop.skin_layout import skin_layout

    encoder, config = load_encoder(options.run), load_config(options.run)
    recordings = load_recordings(options.sessions)
    windows = windows_for(config, recordings)
    decoder = train_decoder(encoder, windows)
    result = reconstruct(encoder, windows, decoder=decoder)
    pair = {"true": result.true, "reconstructed": result.reconstructed}
    reconstruction_pair(pair, skin_layout()).savefig(options.out)
    console = Console()
    console.print(f"{options.out}: {result.explained:.0%} of the variance of lively held-out windows is explained")
    if options.animation:
        whole = windows_for(config, recordings, split=False)
        rows = moments(whole, result.t_mono_ns, options.seconds)
        true, read = read_back(encoder, decoder, whole, rows)
        t_s = (whole.last_frame_ns(rows) - result.t_mono_ns) / 1e9
        save_animation(options.animation, np.stack([true, read], 1), t_s)
        console.print(f"{options.animation}: {len(rows)} moments")
    return 0


def _check(options: argparse.Namespace) -> None:
    if not 0.1 <= options.seconds <= 10:
        raise ConfigError(
            "an animation was asked for", found=f"--seconds {options.seconds}", allowed="0.1 to 10 seconds"
        )
