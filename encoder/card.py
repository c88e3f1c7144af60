"""The model card of a run: what was trained on what, how it was judged, and what that does not show."""

from __future__ import annotations

from collections.abc import Sequence

from dataset_tools.checks.finding import counted
from encoder.checkpoint import EncoderConfig
from encoder.probe import PROTOCOL

ProbeTable = dict[str, dict[str, float | str]]

_CARD = """\
# Sparsh-skin encoder, preset {preset}

A self-supervised encoder of 18 XELA uSkin pads (368 taxels) on an Allegro hand, after Sparsh-skin (arXiv 2505.11420),
pretrained from scratch by skin_teleop. No weights of the paper's release are used.

| item | value |
|---|---|
| input | {window_frames} frames at {rate_hz} Hz, change of flux in counts and taxel positions in the palm frame (m) |
| size | width {width}, {depth} blocks, {heads} heads, one token per {tokens} |
| training | objective {objective}, {steps} steps{after}, seed {seed}, {precision} |
| exported network | {exported}, chosen by {chosen_by} |
| taxel table | layout {layout}, geometry {geometry} |
| data | {origin} |

## Data
SHA-256 of what the encoder saw of each session, in this run and in those it extends:

{sessions}

## Held-out probe
{probe}

## Alarms while training
{alarms}

## Limits
{limits}

Load it with `encoder.checkpoint.load_encoder(folder)`.
"""
_SIMULATED_LIMITS = (
    "All numbers come from a simulated skin. Held-out moments belong to recordings that were also trained on, so they "
    "show neither new objects nor a real skin, and are not comparable with figures measured on hardware."
)
_MIXED_LIMITS = (
    "Trained on simulated and on recorded sessions. Forces are known in the simulated ones only: nothing here says how "
    "good the encoder is on a real skin."
)
_REAL_LIMITS = "Recorded on a real skin without known forces: nothing here says how good the encoder is."


def model_card(config: EncoderConfig, probe: ProbeTable | None, skipped: str, alarms: Sequence[str] = ()) -> str:
    """README.md of a run folder."""
    origin, limits = _origin(config)
    return _CARD.format(
        preset=config.preset,
        window_frames=config.window_frames,
        rate_hz=config.rate_hz,
        width=config.size.width,
        depth=config.size.depth,
        heads=config.size.heads,
        tokens=config.size.tokens,
        objective=config.objective,
        alarms="\n".join(f"- {alarm}" for alarm in alarms) or "None.",
        steps=config.steps,
        after=f" after {config.steps_before} of {config.extends}" if config.extends else "",
        seed=config.seed,
        precision="bfloat16 autocast" if config.bf16 else "float32",
        exported=config.exported,
        chosen_by=config.chosen_by,
        layout=config.layout,
        geometry=config.geometry,
        origin=origin,
        sessions="\n".join(f"- `{name}`: `{digest}`" for name, digest in config.data_fingerprints.items()),
        probe=_probe_text(probe) if probe else f"Not done: {skipped}.",
        limits=limits,
    )


def _origin(config: EncoderConfig) -> tuple[str, str]:
    """Where the data comes from, and what that does not show."""
    simulated, recorded = config.seen_simulated, len(config.data_fingerprints) - config.seen_simulated
    if simulated and recorded:
        return f"mixed: {counted(simulated, 'session')} simulated, {recorded} recorded on hardware", _MIXED_LIMITS
    if config.simulated:
        return f"simulated ({counted(simulated, 'session')})", _SIMULATED_LIMITS
    return f"recorded on hardware ({counted(recorded, 'session')})", _REAL_LIMITS


def _probe_text(probe: ProbeTable) -> str:
    rows = [
        f"| {name} | {row['force_r2']:.3f} | {row['contact_balanced_accuracy']:.3f} | {row['seeds']} |"
        for name, row in probe.items()
    ]
    table = "\n".join(["| features | force R2 | contact balanced accuracy | seeds |", "|---|---|---|---|", *rows])
    return f"{table}\n\nProtocol: {PROTOCOL}."
