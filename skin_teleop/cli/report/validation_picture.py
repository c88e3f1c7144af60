"""The picture of `validate-skin`: noise at rest, sizes of signals, active taxels, and what the classifier answered."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataset_tools.skin_validation.comparison import Comparison, Side
from dataset_tools.skin_validation.signals import QUANTILES, rest_spectrum
from skin_teleop.cli.report.colours import AMBER, BLUE, FAINT
from skin_teleop.cli.report.style import new_figure


def validation_picture(comparison: Comparison) -> Figure:
    """Four panels, the first recording blue, the second amber."""
    figure = new_figure(10.0, 6.4)
    figure.suptitle(comparison.what, x=0.01, ha="left", fontsize=9, color=FAINT)
    axes = figure.subplots(2, 2).ravel()
    sides = (comparison.first, comparison.second)
    names = [f"{'simulated' if side.simulated else 'real'}, {place}" for side, place in zip(sides, ("first", "second"))]
    for side, name, colour in zip(sides, names, (BLUE, AMBER)):
        _spectrum(axes[0], side, name, colour)
        axes[1].plot(side.signals.quantiles[:, 2], QUANTILES, color=colour, label=name)
        active = np.sort(side.signals.active)
        axes[2].plot(active, np.linspace(0, 1, len(active)), color=colour, label=name)
    axes[0].set(title="tremble at rest", xlabel="frequency, Hz", ylabel="power, counts²/Hz", yscale="log")
    axes[1].set(title="change of z from rest, all taxels", xlabel="counts", ylabel="share below")
    axes[1].set_xscale("symlog", linthresh=10)
    axes[2].set(title="active taxels", xlabel="taxels beyond 30 counts", ylabel="share of time below")
    _answers(axes[3], comparison, names)
    axes[1].legend()
    return figure


def _spectrum(axes: Axes, side: Side, name: str, colour: str) -> None:
    spectrum = rest_spectrum(side.signals)
    if spectrum is None:
        axes.text(0.03, 0.05, "a rest is too short", transform=axes.transAxes, color=FAINT)
    else:
        axes.plot(*spectrum, color=colour, label=name)


def _answers(axes: Axes, comparison: Comparison, names: list[str]) -> None:
    """Histograms of the held-out answers; where they lie on each other, the two cannot be told apart."""
    score = comparison.score
    low, high = (float(np.clip(edge, -12, 12)) for edge in (score.answers.min(), score.answers.max() + 1e-6))
    edges = np.linspace(low, high, 30).tolist()
    parts = np.split(np.clip(score.answers, edges[0], edges[-1]), [score.windows[0]])
    for part, name, colour in zip(parts, names, (BLUE, AMBER)):
        axes.hist(part, edges, color=colour, alpha=0.55, label=name)
    axes.set(
        title=f"classifier: {score.area:.2f} ± {score.error:.2f}, 0.5 cannot tell",
        xlabel="held-out answer, log odds of the second",
        ylabel="windows",
    )
