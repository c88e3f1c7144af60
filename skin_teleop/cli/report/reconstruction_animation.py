"""The skin and its reconstruction side by side, as a small looping picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.animation import FuncAnimation, PillowWriter

from skin_teleop.cli.report.hand_picture import draw_hand
from skin_teleop.cli.report.style import new_figure
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

FRAME_RATE_HZ = 10
_DPI = 70


def save_animation(path: Path, pairs_counts: Array, t_s: Array) -> None:
    """Write a GIF of pairs (n, 2, 368, 3), true and reconstructed, counts above the baseline, at times (n,) s."""
    figure, layout = new_figure(7.4, 4.8), skin_layout()
    panels = figure.subplots(1, 2)

    def draw(k: int) -> list[object]:
        for axes, counts, title in zip(panels, pairs_counts[k], ("true signal", "reconstructed"), strict=True):
            axes.clear()
            draw_hand(axes, layout, counts, f"{title}, {t_s[k]:+.1f} s")
        return list(panels)

    animation = FuncAnimation(figure, draw, frames=len(pairs_counts), init_func=lambda: list(panels))
    animation.save(path, writer=PillowWriter(fps=FRAME_RATE_HZ), dpi=_DPI)
