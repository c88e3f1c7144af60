"""`skin-teleop validate-skin`: a simulated and a real recording of the skin side by side: figures and a picture."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from dataset_tools.durable import write_durably, write_json_durably
from dataset_tools.reader import open_session
from dataset_tools.skin_validation.comparison import compare
from skin_teleop.cli.report.validation_picture import validation_picture


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("simulated", type=Path, metavar="SIM_SESSION", help="a simulated session")
    parser.add_argument("real", type=Path, metavar="REAL_SESSION", help="a real one of the same actions")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write report.txt, report.json and report.png, too")


def run(options: argparse.Namespace) -> int:
    """Compare and show; the figures are no verdict, so the exit code is 0."""
    comparison = compare(open_session(options.simulated), open_session(options.real))
    figures = comparison.figures()
    text = "\n".join(report_lines(figures))
    print(json.dumps(figures, indent=2) if options.json else text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_durably(options.out / "report.txt", (text + "\n").encode())
        write_json_durably(options.out / "report.json", figures)
        validation_picture(comparison).savefig(options.out / "report.png", dpi=110)
    return 0


def report_lines(figures: dict[str, Any]) -> list[str]:
    """The figures for a terminal, one line each."""
    first, second, score = figures["first"], figures["second"], figures["classifier"]
    by_weight = sorted(score["weights"].items(), key=lambda item: -abs(item[1]))[:3]
    distance_db = figures["rest_spectrum_distance_db"]
    apart = ", ".join(f"{axis} {counts:.1f}" for axis, counts in figures["marginal_distance_counts"].items())
    return [
        figures["compared"],
        f"sessions             {first['session']} and {second['session']}",
        f"noise at rest        {first['rest_noise_counts']} and {second['rest_noise_counts']} counts",
        "spectrum at rest     "
        + ("a rest is shorter than 2.6 s" if distance_db is None else f"{distance_db:.1f} dB apart"),
        f"ambient explained    {_share(first)} and {_share(second)}",
        f"marginals            {apart} counts apart (Wasserstein)",
        f"active taxels        {first['active_taxels_mean']} and {second['active_taxels_mean']} on average",
        f"classifier           {score['score']} +- {score['error']} (0.5: cannot tell them apart), "
        + f"{score['windows'][0]} and {score['windows'][1]} windows",
        "told apart most by   " + ", ".join(name for name, _ in by_weight),
    ]


def _share(side: dict[str, Any]) -> str:
    if side["ambient_explained"] is None:
        return "no motion without touch"
    return f"{side['ambient_explained']:.0%} (earth {side['earth_ut']} uT)"
