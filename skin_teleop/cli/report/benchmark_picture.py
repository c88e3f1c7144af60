"""The picture of `benchmark`: one panel a task, score over label budget, a line a row with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encoder.benchmark.study import Cell
from skin_teleop.cli.report.colours import AMBER, BLUE, FAINT, TEAL
from skin_teleop.cli.report.style import new_figure

LOWEST_SHOWN = -0.5
"""R2 below this says only that a row failed; the axis ends here."""
_OURS = (TEAL, BLUE, AMBER, "#b48ead", "#88c0d0", "#d08770")
_PLAIN_DASHES = ("--", ":", "-.", "-", (0, (5, 1)), (0, (3, 1, 1, 1)))
_PLAIN_MARKERS = "s^Dxvp"


def benchmark_picture(cells: Sequence[Cell]) -> Figure:
    """Scores of all rows; pretrained ones in colour, the yardsticks in grey."""
    scores = [cell for cell in cells if not cell.minus]
    judged = [cell.row for cell in cells if cell.minus]
    tasks = list(dict.fromkeys(cell.task for cell in scores))
    figure = new_figure(4.1 * min(3, len(tasks)), 3.4 * -(-len(tasks) // 3) + 0.5)
    figure.suptitle("simulated skin, recordings left out; bars: 95 % of draws of whole recordings", fontsize=9)
    panels = figure.subplots(-(-len(tasks) // 3), min(3, len(tasks)), squeeze=False).ravel()
    for axes, task in zip(panels, tasks):
        _panel(axes, [cell for cell in scores if cell.task == task], judged)
    for axes in panels[len(tasks) :]:
        axes.axis("off")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def _panel(axes: Axes, cells: Sequence[Cell], judged: Sequence[str]) -> None:
    names = list(dict.fromkeys(cell.row for cell in cells))
    ours = [name for name in names if name in judged]
    plain = [name for name in names if name not in judged]
    for place, name in enumerate(names):
        mine = sorted((cell for cell in cells if cell.row == name), key=lambda cell: cell.budget)
        shift = 1.03 ** (place - len(names) / 2)  # beside each other, so that bars can be told apart
        budget = np.array([100 * cell.budget for cell in mine]) * shift
        value, low, high = np.array([(cell.score.value, cell.score.low, cell.score.high) for cell in mine]).T
        look = (
            {"color": _OURS[ours.index(name) % len(_OURS)], "linestyle": "-", "marker": "o"}
            if name in ours
            else {
                "color": FAINT,
                "linestyle": _PLAIN_DASHES[plain.index(name) % len(_PLAIN_DASHES)],
                "marker": _PLAIN_MARKERS[plain.index(name) % len(_PLAIN_MARKERS)],
            }
        )
        bars = np.maximum([value - low, high - value], 0)
        axes.errorbar(budget, value, bars, elinewidth=0.8, markersize=4, label=name, **look)
    shown = np.array([cell.score.low for cell in cells])
    axes.set_ylim(max(LOWEST_SHOWN, float(np.nanmin(shown)) - 0.05), 1.02)
    axes.set(title=cells[0].task, xlabel="labelled sessions, %", ylabel=cells[0].metric, xscale="log")
    budgets = sorted({100 * cell.budget for cell in cells})
    axes.set_xticks(budgets, [f"{budget:g}" for budget in budgets])
    axes.minorticks_off()
