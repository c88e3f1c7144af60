"""Weights in the layout of the public Sparsh-skin release (`facebook/sparsh-skin`), read without running anything.

| the release's key, behind `teacher_encoder.backbone.` or `student_encoder.backbone.` | here |
|---|---|
| `xela_mean`, `xela_std` (3,) | `flux_mean`, `flux_std` |
| `patch_embed.proj.weight` (d, 6, 10), a convolution over ten frames, and `.bias` | `patch`, frames before channels |
| `patch_embed.norm` | `patch_norm` |
| `pos_embed` (1, 368, d) | `place` |
| `taxeltype_embed` (3, d), in the order 4x4, 4x6, curved | `kind` |
| `register_tokens`, `mask_token` (1, 1, d) | `register_token`, `mask_token` |
| `blocks.N.norm1`, `attn.qkv`, `attn.proj`, `norm2`, `mlp.fc1`, `mlp.fc2` | `attention_norm` ... `contract` |
| `norm` | `norm` |

The depth is the number of blocks found; the heads follow from the width. The names are those that public forks of the
release give their modules. UNVERIFIED: nobody has tried this on the published file yet. Two things are taken for
granted: that the convolution does not pad (one fork pads by 2, which shifts the window by two frames), and that the
positions are the release's flat grid (geometry `sparsh`). The licence of the weights is not this project's.
"""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from encoder.presets import EncoderSize
from skin_teleop.errors import ConfigError
from skin_teleop.messages import N_TAXELS

HEADS = {96: 3, 192: 3, 768: 12}
"""Width to attention heads; public configurations disagree about a width of 384 (3 or 6)."""
_FRAMES, _CHANNELS = 10, 6
_ANCHOR = "taxeltype_embed"
"""A key that only the encoder has; decoders of online probes share all others."""
_RENAMED = {
    "patch_embed.proj.weight": "patch.weight",
    "patch_embed.proj.bias": "patch.bias",
    "patch_embed.norm.weight": "patch_norm.weight",
    "patch_embed.norm.bias": "patch_norm.bias",
    "pos_embed": "place",
    "taxeltype_embed": "kind",
    "register_tokens": "register_token",
    "mask_token": "mask_token",
    "xela_mean": "flux_mean",
    "xela_std": "flux_std",
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
}
_BLOCK = re.compile(r"blocks\.(\d+)\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.(weight|bias)")
_IN_BLOCK = {
    "norm1": "attention_norm",
    "norm2": "mlp_norm",
    "attn.qkv": "qkv",
    "attn.proj": "project",
    "mlp.fc1": "expand",
    "mlp.fc2": "contract",
}


def read_release(path: Path) -> tuple[EncoderSize, dict[str, Tensor], str]:
    """Size, weights by this project's names, and `teacher` or `student`, whichever the file holds (teacher first).

    Raises ConfigError where the file cannot be read without running its code, or has another layout.
    """
    plain = _tensors(path)
    prefix = _prefix(plain, path)
    found = {name.removeprefix(prefix): tensor for name, tensor in plain.items() if name.startswith(prefix)}
    _check_shapes(found, path)
    size = _size(found, path)
    return size, _renamed(found, path), "student" if "student" in prefix else "teacher"


def _tensors(path: Path) -> dict[str, Tensor]:
    """Every named tensor of a safetensors file or of a torch file without foreign classes."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ConfigError(
            f"weights in {path} were asked for",
            found=str(error).splitlines()[0],
            allowed="a safetensors file, or a torch file of nothing but tensors, numbers and text",
            next_step="where the file comes from, once: content = torch.load(FILE, weights_only=False), then "
            "safetensors.torch.save_file({k: v.contiguous() for k, v in content['model'].items()}, "
            "'sparsh_skin.safetensors'), and load that; never load a file of strangers in that way",
        ) from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    named = content.items() if isinstance(content, dict) else ()
    return {str(name): tensor for name, tensor in named if isinstance(tensor, Tensor)}


def _prefix(plain: dict[str, Tensor], path: Path) -> str:
    """What stands before the encoder's keys: the teacher's, else the student's, else that of the only encoder."""
    prefixes = sorted(name.removesuffix(_ANCHOR) for name in plain if name.endswith(_ANCHOR))
    for wanted in ("teacher", "student", ""):
        for prefix in prefixes:
            if wanted in prefix:
                return prefix
    raise ConfigError(
        f"an encoder of the Sparsh-skin release was looked for in {path}",
        found=f"{len(plain)} tensors, none named {_ANCHOR}: {', '.join(sorted(plain)[:4]) or 'none at all'}",
        allowed="keys as encoder/release_weights.py lists them",
        next_step="skin-teleop pretrain makes run folders; name the folder, not a file in it",
    )


def _check_shapes(found: dict[str, Tensor], path: Path) -> None:
    missing = [name for name in _RENAMED if name not in found]
    if missing:
        raise ConfigError(f"an encoder in {path} was asked for", found=f"no {', '.join(missing)}", allowed="all keys")
    width = found[_ANCHOR].shape[-1]
    wanted = {"patch_embed.proj.weight": (width, _CHANNELS, _FRAMES), "pos_embed": (1, N_TAXELS, width)}
    for name, shape in wanted.items():
        if tuple(found[name].shape) != shape:
            raise ConfigError(
                f"{name} of {path} was asked for",
                found=str(tuple(found[name].shape)),
                allowed=f"{shape}: one token for each of {N_TAXELS} taxels, {_FRAMES} frames of {_CHANNELS} channels",
            )


def _size(found: dict[str, Tensor], path: Path) -> EncoderSize:
    width = found[_ANCHOR].shape[-1]
    if width not in HEADS:
        raise ConfigError(
            f"the attention heads of {path} were asked for",
            found=f"a width of {width}",
            allowed=f"widths {', '.join(map(str, HEADS))}: the weights do not say the number of heads",
        )
    blocks = {int(match[1]) for name in found if (match := _BLOCK.fullmatch(name))}
    return EncoderSize(width, len(blocks), HEADS[width])


def _renamed(found: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for name, tensor in found.items():
        block = _BLOCK.fullmatch(name)
        if block is None and name not in _RENAMED:
            raise ConfigError(f"the key {name} of {path} has no place in the encoder", allowed=", ".join(_RENAMED))
        ours = _RENAMED[name] if block is None else f"blocks.{block[1]}.{_IN_BLOCK[block[2]]}.{block[3]}"
        weights[ours] = tensor.float()
    weights["patch.weight"] = weights["patch.weight"].transpose(1, 2).flatten(1)  # (d, 6, 10) to (d, 60)
    for name in ("flux_mean", "flux_std"):
        weights[name] = weights[name].flatten()[:3]  # some files give one number a channel, positions with 0 and 1
    for name in ("register_token", "mask_token"):
        weights[name] = weights[name].flatten()
    weights["place"] = weights["place"][0]
    return {name: tensor.contiguous() for name, tensor in weights.items()}
