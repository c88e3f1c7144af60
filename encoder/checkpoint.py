"""A finished encoder on disk: config.json and model.safetensors. Nothing is ever run that a file says.

`load_encoder` and `load_config` also read a file in the layout of the public Sparsh-skin weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from encoder.model import CHANNELS, SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.release_weights import read_release
from encoder.run_folder import MODEL_FILE, write_atomically
from encoder.session_data import RATE_HZ, TactileRecording
from encoder.stored_shapes import difference
from encoder.windows import WINDOW_FRAMES, TactileWindows
from skin_teleop.errors import ConfigError, SessionError
from skin_teleop.skin_layout import GEOMETRIES, TABLES

SCHEMA: Literal["skin_teleop.encoder/2"] = "skin_teleop.encoder/2"
"""Version 1 put a LayerNorm behind the patch of a pad; encoders of taxels are the same in both."""
CONFIG_FILE = "config.json"
CARD_FILE = "README.md"
WIDEST, DEEPEST, MOST_HEADS = 2048, 64, 32
"""More than twice the largest preset in every direction; a file of strangers must not ask for all of the memory."""


class EncoderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is needed to rebuild and to feed an encoder."""

    schema: Literal["skin_teleop.encoder/1", "skin_teleop.encoder/2"]
    size: EncoderSize
    geometry: str
    layout: str
    preset: str
    exported: Literal["student", "teacher"]
    chosen_by: str
    steps: int
    seed: int
    simulated: bool
    """Whether every session was simulated."""
    data_fingerprints: dict[str, str]
    bf16: bool
    rate_hz: int = RATE_HZ
    window_frames: int = WINDOW_FRAMES
    channels: int = CHANNELS
    objective: str = "sparsh"
    extends: str = ""
    steps_before: int = 0
    core_s: float = 0.0
    """Core seconds of training (of rank 0), over all calls and the runs that this one extends; 0 if not measured."""
    augment: bool = False
    """Whether windows were shown as other skins would have felt them."""
    simulated_sessions: int = 0
    """How many of the sessions were simulated, where not all of them were."""

    @property
    def seen_simulated(self) -> int:
        """How many of the sessions were simulated."""
        return len(self.data_fingerprints) if self.simulated else self.simulated_sessions


def save_encoder(folder: Path, encoder: SparshSkinEncoder, config: EncoderConfig) -> None:
    """Write config.json, then model.safetensors; the second marks the run as finished."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / CONFIG_FILE, msgspec.json.format(msgspec.json.encode(config)))
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    write_atomically(folder / MODEL_FILE, save(tensors, {"format": "pt"}))


def load_config(folder: str | Path) -> EncoderConfig:
    """Read config.json, or describe a file of public weights.

    Raises ConfigError where config.json is missing, of another schema or holds anything unknown.
    """
    if Path(folder).is_file():
        return _load_release(Path(folder))[1]
    path = Path(folder) / CONFIG_FILE
    if not path.is_file():
        raise ConfigError(
            f"an encoder in {folder} was asked for",
            found="no config.json",
            next_step="skin-teleop pretrain SESSION --out FOLDER",
        )
    try:
        config = msgspec.json.decode(path.read_bytes(), type=EncoderConfig)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} does not describe an encoder of this version", found=str(error)) from error
    if (config.rate_hz, config.window_frames, config.channels) != (RATE_HZ, WINDOW_FRAMES, CHANNELS):
        raise ConfigError(
            f"{path} describes another input",
            found=f"{config.window_frames} frames at {config.rate_hz} Hz, {config.channels} channels",
            allowed=f"{WINDOW_FRAMES} frames at {RATE_HZ} Hz, {CHANNELS} channels",
        )
    _check_size(config.size, path)
    for name, found, allowed in (("geometry", config.geometry, GEOMETRIES), ("layout", config.layout, TABLES)):
        if found not in allowed:
            raise ConfigError(f"{path} names a {name}", found=found[:80], allowed=", ".join(allowed))
    return config


def _check_size(size: EncoderSize, path: Path) -> None:
    bounded = 1 <= size.width <= WIDEST and 1 <= size.depth <= DEEPEST and 1 <= size.heads <= MOST_HEADS
    if not bounded or size.width % 2 or size.width % size.heads:
        raise ConfigError(
            f"{path} describes a size",
            found=f"width {size.width}, {size.depth} blocks, {size.heads} heads",
            allowed=f"an even width up to {WIDEST} that the heads divide, up to {DEEPEST} blocks, {MOST_HEADS} heads",
        )


def windows_for(config: EncoderConfig, recordings: Sequence[TactileRecording], *, split: bool = True) -> TactileWindows:
    """Windows of recordings as this encoder reads them; raises SessionError for another skin than it was trained on."""
    windows = TactileWindows(recordings, geometry=config.geometry, split=split)
    if windows.layout != config.layout:
        raise SessionError(
            "an encoder was to read some recordings",
            found=f"an encoder of the layout {config.layout}, recordings of {windows.layout}",
            allowed="recordings of the encoder's own layout",
            next_step="skin-teleop pretrain with sessions of this layout",
        )
    return windows


def load_encoder(path: str | Path) -> SparshSkinEncoder:
    """The frozen encoder of a run folder or of a file of public weights, see `encoder.release_weights`.

    Raises ConfigError where the files do not fit together.
    """
    if Path(path).is_file():
        encoder, config = _load_release(Path(path))
        return _frozen(encoder, config)
    config = load_config(path)
    _check_shapes(Path(path) / MODEL_FILE, config)
    encoder = SparshSkinEncoder(config.size)
    _fill(encoder, lambda: load_file(Path(path) / MODEL_FILE), path)
    card = Path(path) / CARD_FILE
    return _frozen(encoder, config, card.read_text() if card.is_file() else "")


def _check_shapes(path: Path, config: EncoderConfig) -> None:
    """Compare the file's header with the encoder that is described."""
    with torch.device("meta"):
        wanted = SparshSkinEncoder(config.size).state_dict()
    try:
        different = difference(path, wanted)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"the encoder in {path.parent} cannot be loaded", found=str(error)) from error
    if different is None:
        return
    found, allowed = different
    if config.schema != SCHEMA:
        raise ConfigError(
            f"the encoder in {path.parent} was made by an older version, which built it otherwise",
            found=f"{config.schema}, {found}",
            allowed=f"{SCHEMA}, {allowed}",
            next_step="skin-teleop pretrain makes a new one; only the version that made this one can load it",
        )
    raise ConfigError(
        f"the encoder in {path.parent} cannot be loaded: {MODEL_FILE} is not of the size that {CONFIG_FILE} says",
        found=found,
        allowed=allowed,
    )


def _load_release(path: Path) -> tuple[SparshSkinEncoder, EncoderConfig]:
    size, weights, network = read_release(path)
    encoder = SparshSkinEncoder(size)
    _fill(encoder, lambda: weights, path)
    config = EncoderConfig(
        schema=SCHEMA,
        size=size,
        geometry="sparsh",
        layout="xela_ah_right",
        preset="paper",
        exported="student" if network == "student" else "teacher",
        chosen_by="the file of public weights it was read from",
        steps=0,
        seed=0,
        simulated=False,
        data_fingerprints={},
        bf16=False,
    )
    return encoder, config


def _fill(encoder: SparshSkinEncoder, read: Callable[[], dict[str, Tensor]], path: str | Path) -> None:
    try:
        encoder.load_state_dict(read())
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigError(f"the encoder in {path} cannot be loaded", found=str(error)) from error


def _frozen(encoder: SparshSkinEncoder, config: EncoderConfig, card: str = "") -> SparshSkinEncoder:
    encoder.described, encoder.card = config, card
    return encoder.requires_grad_(False).eval()
