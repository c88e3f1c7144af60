"""The pictures of the report, each from a recorded session or a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dataset_tools.ambient import split_ambient
from dataset_tools.labels import Label
from dataset_tools.reader import Session
from skin_teleop.cli.report.colours import AMBER, BLUE, FAINT, FINGER_COLOURS, GREEN, TEXT, VIOLET
from skin_teleop.cli.report.hand_picture import draw_hand
from skin_teleop.cli.report.style import label_bands, new_figure, seconds
from skin_teleop.hand import FINGERS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

BASELINE_S = 0.8
MAX_COLUMNS = 1200
"""Columns of the heat map: one or two a pixel."""


def skin_delta(flux: Array, t_mono_ns: Array, layout: SkinLayout) -> Array:
    """Counts (T, 368, 3) minus the median of the first 0.8 s and minus the ambient field, float32."""
    rest = t_mono_ns < t_mono_ns[0] + int(BASELINE_S * 1e9)
    delta: Array = flux.astype(np.float32) - np.median(flux[rest], axis=0).astype(np.float32)
    return split_ambient(delta, layout)[0]


def strip(images: Sequence[tuple[str, Array]]) -> Figure:
    """Rendered moments beside each other, each with its caption."""
    columns = 3
    rows = -(-len(images) // columns)
    figure = new_figure(11, 2.95 * rows)
    for k, (caption, image) in enumerate(images):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.imshow(image)
        axes.set_title(caption, fontsize=9)
        axes.set_axis_off()
    return figure


def joint_tracking(session: Session, hand: str, labels: Sequence[Label]) -> Figure:
    """Targets and measured positions of the sixteen joints."""
    stream = session.streams[hand]
    t0 = int(stream.t_mono[0])
    t = seconds(stream.t_mono, t0)
    position, target = np.rad2deg(stream["position"]), np.rad2deg(stream["target"])
    step = max(1, len(t) // 2500)
    figure = new_figure(11, 6.4)
    all_axes = figure.subplots(4, 4, sharex=True, sharey=True)
    for k, axes in enumerate(all_axes.flat):
        finger = FINGERS[k // 4]
        label_bands(axes, labels, t0, named=False)
        axes.plot(t[::step], target[::step, k], color=FAINT, linewidth=1.0, label="target")
        axes.plot(t[::step], position[::step, k], color=FINGER_COLOURS[finger], label="measured")
        error = float(np.sqrt(np.mean((target[:, k] - position[:, k]) ** 2)))
        axes.set_title(f"{finger} {k % 4}   rms {error:.1f}°", fontsize=8)
    for axes in all_axes[-1]:
        axes.set_xlabel("time, s")
    for axes in all_axes[:, 0]:
        axes.set_ylabel("angle, °")
    all_axes[0, 0].legend(loc="upper right")
    return figure


def taxel_heat(session: Session, skin: str, layout: SkinLayout, labels: Sequence[Label]) -> Figure:
    """Every taxel over time, pad by pad, with the labels as bands."""
    stream = session.streams[skin]
    t0 = int(stream.t_mono[0])
    strength = np.linalg.norm(skin_delta(stream["flux"], stream.t_mono, layout), axis=-1)  # (T, 368)
    step = max(1, len(strength) // MAX_COLUMNS)
    usable = len(strength) // step * step
    peaks = strength[:usable].reshape(-1, step, strength.shape[1]).max(1)
    figure = new_figure(11, 6.6)
    band, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 14))
    label_bands(band, labels, t0)
    band.set_yticks([])
    band.grid(visible=False)
    duration = float(seconds(stream.t_mono[usable - 1], t0))
    picture = axes.imshow(
        np.log10(1 + peaks.T), aspect="auto", origin="upper", cmap="magma", extent=(0, duration, 368, 0),
        interpolation="nearest", vmin=0.6,
    )  # fmt: skip
    axes.set_yticks([(pad.first + pad.count / 2) for pad in layout.pads], [pad.name for pad in layout.pads])
    axes.set_yticks([pad.first for pad in layout.pads], minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", axis="y", color="#3a4656", linewidth=0.5)
    axes.set(xlabel="time, s", ylabel="taxels, canonical order")
    bar = figure.colorbar(picture, ax=[band, axes], pad=0.01, aspect=40)
    bar.set_ticks([1, 2, 3], labels=["10", "100", "1000"])
    bar.set_label("change from rest without the ambient field, counts")
    return figure


def hand_at_peak(session: Session, skin: str, layout: SkinLayout, labels: Sequence[Label]) -> Figure:
    """The whole skin at the strongest moment of each labelled action."""
    stream = session.streams[skin]
    delta = skin_delta(stream["flux"], stream.t_mono, layout)
    total = np.clip(delta[..., 2], 0, None).sum(1)
    touching = {label.label: label for label in reversed(labels) if label.label not in ("rest", "contact")}
    actions = sorted(touching.values(), key=lambda label: label.t_start_mono_ns)[:4]
    figure = new_figure(11, 4.1)
    for k, label in enumerate(actions):
        inside = np.flatnonzero((stream.t_mono >= label.t_start_mono_ns) & (stream.t_mono <= label.t_end_mono_ns))
        moment = inside[np.argmax(total[inside])]
        at = (int(stream.t_mono[moment]) - int(stream.t_mono[0])) / 1e9
        draw_hand(figure.add_subplot(1, 4, k + 1), layout, delta[moment], f"{label.label}, {at:.1f} s")
    return figure


def reconstruction_pair(pair: Mapping[str, Array], layout: SkinLayout) -> Figure:
    """What the skin felt in a held-out moment, and what the decoder makes of the frozen encoder's tokens."""
    figure = new_figure(8.2, 5.2)
    left, right = figure.subplots(1, 2)
    draw_hand(left, layout, pair["true"], "true signal, held-out moment")
    draw_hand(right, layout, pair["reconstructed"], "reconstructed from the frozen encoder")
    return figure


def loss_curve(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss over steps with its parts."""
    figure = new_figure(5.4, 3.2)
    axes = figure.subplots()
    steps = [row["step"] for row in metrics]
    for key, colour in (
        ("loss", TEXT),
        ("summary_loss", BLUE),
        ("masked_token_loss", GREEN),
        ("koleo", VIOLET),
    ):
        if key in metrics[0]:
            axes.plot(
                steps, [row[key] for row in metrics], color=colour, label=key.replace("_", " ").removesuffix(" loss")
            )
    axes.set(xlabel="step", ylabel="loss, nats", title="self-distillation")
    axes.legend()
    return figure


def probe_bars(probe: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Frozen linear probes on three kinds of features, same split, same head."""
    figure = new_figure(5.4, 3.2)
    names = [name for name in ("encoder", "random", "raw") if name in probe]
    captions = {"encoder": "pretrained\nencoder", "random": "random\nencoder", "raw": "raw pad\nstatistics"}
    for k, (key, title) in enumerate(
        (("force_r2", "force per pad, R²"), ("contact_balanced_accuracy", "contact per pad, balanced acc."))
    ):
        axes = figure.add_subplot(1, 2, k + 1)
        values = [float(probe[name][key]) for name in names]
        bars = axes.bar([captions[n] for n in names], values, color=[GREEN, FAINT, AMBER], width=0.62)
        axes.bar_label(bars, [f"{v:.3f}" for v in values], color=TEXT, fontsize=8, padding=2)
        axes.set_title(title, fontsize=9)
        axes.set_ylim(min(0, *values) * 1.1, max(1.0, *values) * 1.1)
        axes.grid(visible=False, axis="x")
    return figure


def stream_rates(statistics: Mapping[str, Mapping[str, float]]) -> Figure:
    """Measured rate and the longest gap of every stream."""
    names = [n for n, s in statistics.items() if s["rows"] > 10][::-1]
    figure = new_figure(11, 0.9 + 0.3 * len(names))
    rate, gap = figure.subplots(1, 2, sharey=True)
    rates, gaps = ([statistics[n][key] for n in names] for key in ("measured_hz", "max_gap_ms"))
    rate.barh(names, rates, color=BLUE, height=0.55)
    rate.set(xscale="log", xlabel="measured rate, Hz", xlim=(0.3, 2000))
    gap.barh(names, gaps, color=AMBER, height=0.55)
    gap.set(xscale="log", xlabel="longest gap, ms", xlim=(0.5, 20000))
    for axes, values, unit in ((rate, rates, "Hz"), (gap, gaps, "ms")):
        for row, value in enumerate(values):
            axes.text(value * 1.1, row, f"{value:.1f} {unit}", va="center", fontsize=8, color=TEXT)
        axes.grid(visible=False, axis="y")
    return figure


def latency_histogram(latencies_ms: Mapping[str, Array]) -> Figure:
    """From the hand pose's arrival to the joint target, and to the CAN frames that carry it."""
    figure = new_figure(11, 2.9)
    axes = figure.subplots()
    edges = np.geomspace(0.1, 200, 90)
    for (name, values), colour in zip(latencies_ms.items(), (BLUE, GREEN), strict=False):
        p50, p99 = np.percentile(values, [50, 99])
        caption = f"{name.replace('_', ' ')}: p50 {p50:.2f} ms, p99 {p99:.2f} ms"
        axes.hist(values, edges, color=colour, alpha=0.65, label=caption)
        axes.axvline(p99, color=colour, linewidth=1, linestyle=":")
    axes.set(xscale="log", xlabel="latency from the pose's arrival, ms", ylabel="poses")
    axes.legend()
    return figure
