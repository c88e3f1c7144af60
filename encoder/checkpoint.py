"""A finished encoder on disk: config.json and model.safetensors. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from encoder.model import CHANNELS, SparshSkinEncoder
from encoder.presets import EncoderSize
from encoder.run_folder import MODEL_FILE, write_atomically
from encoder.session_data import RATE_HZ, TactileRecording
from encoder.windows import WINDOW_FRAMES, TactileWindows
from skin_teleop.errors import ConfigError, SessionError

CONFIG_FILE = "config.json"


class EncoderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is needed to rebuild and to feed an encoder."""

    schema: Literal["skin_teleop.encoder/1"]
    size: EncoderSize
    geometry: str
    layout: str
    preset: str
    exported: Literal["student", "teacher"]
    chosen_by: str
    steps: int
    seed: int
    simulated: bool
    data_fingerprints: dict[str, str]
    bf16: bool
    rate_hz: int = RATE_HZ
    window_frames: int = WINDOW_FRAMES
    channels: int = CHANNELS
    objective: str = "sparsh"


def save_encoder(folder: Path, encoder: SparshSkinEncoder, config: EncoderConfig) -> None:
    """Write config.json, then model.safetensors; the second marks the run as finished."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / CONFIG_FILE, msgspec.json.format(msgspec.json.encode(config)))
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    write_atomically(folder / MODEL_FILE, save(tensors, {"format": "pt"}))


def load_config(folder: str | Path) -> EncoderConfig:
    """Read config.json; raises ConfigError where it is missing, of another schema or holds anything unknown."""
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
    return config


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


def load_encoder(folder: str | Path) -> SparshSkinEncoder:
    """The frozen encoder of a run folder, ready to use; raises ConfigError where its files do not fit together."""
    config = load_config(folder)
    path = Path(folder) / MODEL_FILE
    encoder = SparshSkinEncoder(config.size)
    try:
        encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigError(f"the encoder in {folder} cannot be loaded", found=str(error)) from error
    return encoder.requires_grad_(False).eval()
