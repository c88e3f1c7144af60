"""A collection of sessions as one picture: hours by action and object, how good they are, and how far taxels move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataset_tools.catalogue import SECONDS_PER_HOUR, LabelTime
from dataset_tools.taxel_statistics import TaxelStatistics
from skin_teleop.cli.report.colours import AMBER, FAINT, GREEN, ROSE, TEXT
from skin_teleop.cli.report.hand_picture import taxel_places_mm
from skin_teleop.cli.report.style import PICTURE_DPI, new_figure
from skin_teleop.skin_layout import skin_layout

MINUTE_S = 60
QUALITY_COLOURS = {"good": GREEN, "fair": AMBER, "bad": ROSE, "not judged": FAINT}
NONE_NAMED = "none named"


def draw_collection(
    file: Path, times: Sequence[LabelTime], taxels: TaxelStatistics, sessions: int, hours: float
) -> None:
    """Write the picture; `times` are the settled labels of all sessions."""
    figure = new_figure(11, 6.2)
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    amounts, quality = left.subplots(2, 1, height_ratios=(2.2, 1))
    _draw_amounts(amounts, times)
    _draw_quality(quality, times)
    _draw_taxels(right, taxels)
    labelled = sum(time.seconds for time in times) / SECONDS_PER_HOUR
    figure.suptitle(f"{sessions} sessions, {hours:.2f} h recorded, {labelled:.2f} h labelled", x=0.02, ha="left")
    figure.savefig(file, dpi=PICTURE_DPI, format=file.suffix.lstrip(".") or "png")


def _draw_amounts(axes: Axes, times: Sequence[LabelTime]) -> None:
    """Minutes of every action with every object."""
    axes.set_title("labelled minutes by action and object")
    axes.grid(visible=False)
    actions, objects = (sorted({name(time) for time in times}) for name in (lambda t: t.label, _object))
    if not times:
        axes.text(0.5, 0.5, "nothing is labelled yet", ha="center", transform=axes.transAxes, color=FAINT)
        axes.set_axis_off()
        return
    minutes = np.zeros((len(actions), len(objects)))
    for time in times:
        minutes[actions.index(time.label), objects.index(_object(time))] += time.seconds / MINUTE_S
    axes.imshow(np.where(minutes > 0, minutes, np.nan), cmap="viridis", aspect="auto", vmin=0)
    axes.set_xticks(range(len(objects)), objects, rotation=40, ha="right")
    axes.set_yticks(range(len(actions)), actions)
    for (row, column), value in np.ndenumerate(minutes):
        if value > 0:
            colour = TEXT if value < 0.7 * minutes.max() else "#111111"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color=colour)


def _draw_quality(axes: Axes, times: Sequence[LabelTime]) -> None:
    """Minutes of every action by the quality that its labels name."""
    actions = sorted({time.label for time in times})
    start = np.zeros(len(actions))
    for word, colour in QUALITY_COLOURS.items():
        fitting = [time for time in times if (time.quality or "not judged") == word]
        length = np.array([sum(t.seconds for t in fitting if t.label == action) / MINUTE_S for action in actions])
        if length.any():
            axes.barh(actions, length, left=start, color=colour, label=word, height=0.6)
        start += length
    axes.set(xlabel="labelled time, min", title="quality")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    if times:
        axes.legend(loc="lower right", ncols=4)


def _draw_taxels(figure: Figure, taxels: TaxelStatistics) -> None:
    """Standard deviation of every taxel, its three axes together."""
    axes = figure.subplots()
    axes.set_title(f"movement of taxels, {taxels.count} frames")
    places = taxel_places_mm(skin_layout())
    spread = np.linalg.norm(taxels.deviation, axis=1) if taxels.count else np.zeros(len(places))
    dots = axes.scatter(*places.T, c=spread, s=17, cmap="magma", linewidths=0)
    axes.set(aspect="equal", xlabel="mm", ylabel="mm")
    axes.grid(visible=False)
    figure.colorbar(dots, ax=axes, label="standard deviation of x, y and z together, counts", shrink=0.7)


def _object(time: LabelTime) -> str:
    return time.object or NONE_NAMED
