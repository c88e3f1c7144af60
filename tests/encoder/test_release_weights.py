"""Files made in the layout of the public weights, and the network they describe written once more, plainly."""

from __future__ import annotations

import fractions
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from encoder.checkpoint import load_config, load_encoder
from encoder.presets import EncoderSize
from skin_teleop.errors import ConfigError
from skin_teleop.skin_layout import skin_layout

WIDTH, HEADS = 96, 3


def release_keys(depth: int, width: int = WIDTH, seed: int = 0) -> dict[str, torch.Tensor]:
    """Keys and shapes of the release's encoder, random values."""
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(shape, generator=generator)

    keys = {
        "xela_mean": some(3),
        "xela_std": 5 + some(3),
        "patch_embed.proj.weight": some(width, 6, 10),
        "patch_embed.proj.bias": some(width),
        "patch_embed.norm.weight": 1 + some(width),
        "patch_embed.norm.bias": some(width),
        "pos_embed": some(1, 368, width),
        "taxeltype_embed": some(3, width),
        "register_tokens": some(1, 1, width),
        "mask_token": some(1, 1, width),
        "norm.weight": 1 + some(width),
        "norm.bias": some(width),
    }
    shapes = {"norm1": (width,), "norm2": (width,)} | {
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        "mlp.fc1": (4 * width, width),
        "mlp.fc2": (width, 4 * width),
    }
    for index in range(depth):
        for name, shape in shapes.items():
            keys[f"blocks.{index}.{name}.weight"] = some(*shape) + (1 if name.startswith("norm") else 0)
            keys[f"blocks.{index}.{name}.bias"] = some(shape[0])
    return keys


def plain_release_network(w: dict[str, torch.Tensor], depth: int, flux, position_m) -> torch.Tensor:
    """(B, 369, d) tokens of the release as described in the facts on its layout: register first, then 368 taxels."""
    batch = len(flux)
    signal = torch.cat([(flux - w["xela_mean"]) / w["xela_std"], position_m], -1)  # (B, 10, 368, 6)
    columns = signal.permute(0, 2, 3, 1).reshape(batch * 368, 6, 10)
    tokens = functional.conv1d(columns, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=10)
    tokens = tokens.reshape(batch, 368, -1)
    tokens = functional.layer_norm(tokens, (WIDTH,), w["patch_embed.norm.weight"], w["patch_embed.norm.bias"], 1e-6)
    for pad in skin_layout().pads:
        tokens[:, pad.taxels] += w["taxeltype_embed"][("4x4", "4x6", "curved").index(pad.kind)]
    tokens = torch.cat([w["register_tokens"].expand(batch, 1, -1), tokens + w["pos_embed"]], 1)
    for index in range(depth):
        b = {name.split(".", 2)[2]: tensor for name, tensor in w.items() if name.startswith(f"blocks.{index}.")}
        normed = functional.layer_norm(tokens, (WIDTH,), b["norm1.weight"], b["norm1.bias"], 1e-6)
        qkv = functional.linear(normed, b["attn.qkv.weight"], b["attn.qkv.bias"]).reshape(batch, 369, 3, HEADS, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        weight = (query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5).softmax(-1)
        mixed = (weight @ value).transpose(1, 2).reshape(batch, 369, WIDTH)
        tokens = tokens + functional.linear(mixed, b["attn.proj.weight"], b["attn.proj.bias"])
        normed = functional.layer_norm(tokens, (WIDTH,), b["norm2.weight"], b["norm2.bias"], 1e-6)
        hidden = functional.gelu(functional.linear(normed, b["mlp.fc1.weight"], b["mlp.fc1.bias"]))
        tokens = tokens + functional.linear(hidden, b["mlp.fc2.weight"], b["mlp.fc2.bias"])
    return functional.layer_norm(tokens, (WIDTH,), w["norm.weight"], w["norm.bias"], 1e-6)


def training_checkpoint(student, teacher) -> dict[str, object]:
    """What a trainer of the release stores: both networks, a head, a probe's decoder, an optimiser."""
    state = OrderedDict({f"student_encoder.backbone.{k}": v for k, v in student.items()})
    state |= {f"teacher_encoder.backbone.{k}": v for k, v in teacher.items()}
    state["student_encoder.dino_head.last_layer.weight"] = torch.zeros(8, 4)
    state["online_probes.0.decoder.pos_embed"] = torch.zeros(1, 368, 16)
    return {"model": state, "optimizer": {"state": {0: {"step": 3}}}, "epoch": 7}


def test_the_same_numbers_as_the_releases_own_network_and_the_teacher_first(tmp_path):
    student, teacher = release_keys(2, seed=1), release_keys(2, seed=2)
    torch.save(training_checkpoint(student, teacher), tmp_path / "sparsh_skin.ckpt")
    encoder = load_encoder(tmp_path / "sparsh_skin.ckpt")
    flux, position_m = 20 * torch.randn(3, 10, 368, 3), 0.1 * torch.randn(3, 10, 368, 3)
    with torch.no_grad():
        got = encoder(flux, position_m)
    wanted = plain_release_network(teacher, 2, flux, position_m)
    torch.testing.assert_close(got.summary, wanted[:, 0], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(got.patches, wanted[:, 1:], atol=2e-5, rtol=1e-4)
    config = load_config(tmp_path / "sparsh_skin.ckpt")
    assert (config.exported, config.geometry, config.layout) == ("teacher", "sparsh", "xela_ah_right")


@pytest.mark.parametrize("depth", [1, 3])
def test_depth_follows_from_the_keys_in_a_safetensors_file_of_one_network(tmp_path, depth):
    save_file({f"student_encoder.backbone.{k}": v for k, v in release_keys(depth).items()}, tmp_path / "s.safetensors")
    encoder = load_encoder(tmp_path / "s.safetensors")
    assert encoder.size == EncoderSize(WIDTH, depth, HEADS)
    assert load_config(tmp_path / "s.safetensors").exported == "student"
    assert encoder.flux_std.tolist() == pytest.approx(release_keys(depth)["xela_std"].tolist())


def test_an_encoder_without_prefix_becomes_a_folder_of_our_own(tmp_path):
    save_file(release_keys(1), tmp_path / "bare.safetensors")
    encoder = load_encoder(tmp_path / "bare.safetensors")
    encoder.save_pretrained(tmp_path / "run")
    again = load_encoder(tmp_path / "run")
    assert load_config(tmp_path / "run") == load_config(tmp_path / "bare.safetensors")
    assert torch.equal(again.place, encoder.place)


def test_foreign_classes_are_refused_unread_and_the_way_out_is_named(tmp_path):
    content = training_checkpoint(release_keys(1), release_keys(1))
    content["scheduler"] = fractions.Fraction(1, 3)  # stands for a class of the release's own package
    torch.save(content, tmp_path / "foreign.ckpt")
    with pytest.raises(ConfigError, match=r"(?s)foreign\.ckpt.*next: .*save_file.*never load a file of strangers"):
        load_encoder(tmp_path / "foreign.ckpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taxeltype_embed": None}, "none named taxeltype_embed"),
        ({"mask_token": None}, "no mask_token"),
        ({"blocks.0.ls1.gamma": torch.zeros(WIDTH)}, r"the key blocks\.0\.ls1\.gamma .* has no place"),
        ({"blocks.0.attn.qkv.bias": None}, r"cannot be loaded.*blocks\.0\.qkv\.bias"),
        ({"pos_embed": torch.zeros(1, 3680, WIDTH)}, r"found: \(1, 3680, 96\); allowed: \(1, 368, 96\)"),
        ({"patch_embed.proj.weight": torch.zeros(WIDTH, 3, 10)}, r"found: \(96, 3, 10\)"),
    ],
)
def test_other_layouts_are_refused_by_the_key_that_differs(tmp_path, change, message):
    keys = {name: tensor for name, tensor in (release_keys(1) | change).items() if tensor is not None}
    save_file(keys, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        load_encoder(tmp_path / "other.safetensors")


def test_a_width_whose_heads_nobody_knows_and_files_of_another_kind_are_refused(tmp_path):
    save_file(release_keys(1, width=48), tmp_path / "narrow.safetensors")
    with pytest.raises(ConfigError, match="a width of 48; allowed: widths 96, 192, 768"):
        load_encoder(tmp_path / "narrow.safetensors")
    for name in ("text.ckpt", "text.safetensors"):
        (tmp_path / name).write_bytes(b"hello")
        with pytest.raises(ConfigError, match=f"weights in .*{name} were asked for"):
            load_config(tmp_path / name)
