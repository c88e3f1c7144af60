"""One look for every picture of the report: dark, calm, with units on the axes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataset_tools.labels import Label
from skin_teleop.cli.report.colours import BACKGROUND, FAINT, GRID, LABEL_COLOURS, PANEL, TEAL, TEXT
from skin_teleop.transforms import Array

PICTURE_DPI = 110

_STYLE = {
    "figure.facecolor": BACKGROUND,
    "axes.facecolor": PANEL,
    "axes.edgecolor": GRID,
    "axes.labelcolor": TEXT,
    "axes.titlecolor": TEXT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": TEXT,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.3,
    "font.size": 9,
}


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure of the house style, without any window system."""
    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width_in, height_in), layout="constrained")


def data_uri(figure: Figure) -> str:
    """The figure as an embedded PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PICTURE_DPI)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def label_bands(axes: Axes, labels: Sequence[Label], t0_mono_ns: int, *, named: bool = True) -> None:
    """Colour the spans of labels behind a time axis in seconds."""
    for label in labels:
        start, end = ((t - t0_mono_ns) / 1e9 for t in (label.t_start_mono_ns, label.t_end_mono_ns))
        colour = LABEL_COLOURS.get(label.label, TEAL)
        axes.axvspan(start, end, color=colour, alpha=0.13, linewidth=0, zorder=0)
        if named:
            axes.text(
                (start + end) / 2, 1.01, label.label, color=colour, fontsize=8, ha="center", va="bottom",
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip


def seconds(t_mono_ns: Array, t0_mono_ns: int) -> Array:
    """Stamps as seconds since the start, for an axis."""
    return (np.asarray(t_mono_ns) - t0_mono_ns) / 1e9
