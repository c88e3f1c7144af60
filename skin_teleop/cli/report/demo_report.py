"""What the demo's report shows, and in which order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset_tools.labels import Label
from dataset_tools.reader import Session
from skin_teleop.cli.latency import pose_latencies_ms
from skin_teleop.cli.report import pictures
from skin_teleop.cli.report.page import Section, write_page
from skin_teleop.cli.report.scene import draw_moments
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout


def write_demo_report(
    path: Path, session: Session, labels: Sequence[Label], summary: dict[str, Any], run: Path
) -> None:
    """Write the report of one demo run to `path`; every picture is made from its session and its training run."""
    marked = [label for label in labels if label.source == "live"]
    sections = [
        *_motion_sections(session, marked),
        *_learning_sections(summary, run),
        *_plumbing_sections(session, summary),
    ]
    latency = summary["latency_ms"]["pose_to_can"]
    cards = {
        "recorded": f"{session.duration_s:.0f} s",
        "skin, rate": f"{summary['streams']['uskin']['measured_hz']:.1f} Hz",
        "hand, rate": f"{summary['streams']['allegro']['measured_hz']:.0f} Hz",
        "pose to CAN, median": f"{latency['p50']:.1f} ms",
        "rows lost": str(summary["recorder"]["rows_lost"]),
        "realtime factor": f"{summary['realtime_factor']:.2f}",
        "pretraining steps": str(summary["pretrain"]["steps"]),
    }
    lead = (
        "A parametric operator's hand was streamed through the teleoperation server and retargeted to an Allegro hand, "
        "which was driven over CAN frames and felt through 368 magnetic taxels. The session was recorded, labelled and "
        "used to pretrain an encoder."
    )
    write_page(path, "First light", lead, cards, sections)


def _motion_sections(session: Session, marked: Sequence[Label]) -> list[Section]:
    rig, layout = load_rig("simulated"), skin_layout()
    hand, skin = rig.hand.name, rig.skin.name
    return [
        Section(
            "What happened",
            "The session, drawn again from the recorded joints and object poses. Taxels glow under force.",
            [pictures.strip(list(draw_moments(session, rig, marked)))],
        ),
        Section(
            "The skin over time",
            "Change of every taxel from rest, less the ambient field; the bands are the announced actions.",
            [pictures.taxel_heat(session, skin, layout, marked)],
        ),
        Section(
            "The skin at the height of each action",
            "Red: taxels. Green: normal signal, displaced by shear. The palm of the right hand from the front.",
            [pictures.hand_at_peak(session, skin, layout, marked)],
        ),
        Section(
            "Joints",
            "Targets from retargeting, and what the motors reached against the object and their torque limits.",
            [pictures.joint_tracking(session, hand, marked)],
        ),
    ]


def _learning_sections(summary: dict[str, Any], run: Path) -> list[Section]:
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    with np.load(run / "reconstruction.npz", allow_pickle=False) as stored:
        pair = {name: stored[name] for name in ("true", "reconstructed")}
    probe = summary["probe"]
    if not probe:
        probe_section = Section(
            "Pretraining", f"No probe: {summary['pretrain']['probe_skipped']}.", [pictures.loss_curve(metrics)]
        )
    else:
        best = max(probe, key=lambda name: float(probe[name]["value"]))
        text = (
            f"{summary['pretrain']['steps']} steps of self-distillation, then frozen linear probes split by time. "
            f"Best on force in this run: {best}. A minute of training on one session says little; all three are shown."
        )
        probe_section = Section("Pretraining", text, [pictures.loss_curve(metrics), pictures.probe_bars(probe)])
    return [
        probe_section,
        Section(
            "Reconstruction",
            "A held-out moment and what a small decoder reads from the frozen encoder's tokens, in counts from rest.",
            [pictures.reconstruction_pair(pair, skin_layout())],
        ),
    ]


def _plumbing_sections(session: Session, summary: dict[str, Any]) -> list[Section]:
    rows = [("stream", "rows", "rate, Hz", "longest gap, ms", "dropped")]
    for name, figures in sorted(summary["streams"].items()):
        rate, gap = f"{figures['measured_hz']:.1f}", f"{figures['max_gap_ms']:.1f}"
        rows.append((name, f"{figures['rows']:,}", rate, gap, str(figures["dropped"])))
    hand = load_rig("simulated").hand.name
    return [
        Section(
            "Latency",
            "From the arrival of a hand pose to its joint target, and to the CAN frames that carry it.",
            [pictures.latency_histogram(pose_latencies_ms(session, hand))],
        ),
        Section(
            "Streams",
            "Measured rates, longest gaps and drops, as recorded.",
            [pictures.stream_rates(summary["streams"])],
            rows,
        ),
    ]
