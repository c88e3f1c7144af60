"""Verb `embed`: an encoder's embeddings beside sessions, one file each."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from encoder.training_extra import require_training_extra
from skin_teleop.cli.probe import load_recordings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder with config.json and model.safetensors")
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="session folders")


def run(options: argparse.Namespace) -> int:
    """Write `<session>.<run>.embeddings.npz` beside each session folder, which stays as it was sealed."""
    require_training_extra("embeddings")
    from encoder.checkpoint import load_config, load_encoder, windows_for
    from encoder.embedding import embed

    encoder, config = load_encoder(options.run), load_config(options.run)
    for session in options.sessions:
        folder = Path(session).resolve()
        (recording,) = load_recordings([session])
        embeddings = embed(encoder, windows_for(config, [recording], split=False))
        path = folder.with_name(f"{folder.name}.{options.run.resolve().name}.embeddings.npz")
        embeddings.save(path)
        Console().print(f"{path}: {len(embeddings.t_mono_ns)} embeddings of width {embeddings.summary.shape[-1]}")
    return 0
