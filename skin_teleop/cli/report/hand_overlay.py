"""The human hand, at the robot's size, drawn over the robot hand: what was asked for and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from server.retargeting.human_hand import BONE_JOINTS, WEBXR_WRIST_TO_OPERATOR
from skin_teleop.cli.report.colours import FAINT, FINGER_COLOURS, GRID, TEXT
from skin_teleop.cli.report.style import new_figure
from skin_teleop.hand import FINGERS, TIP_RADIUS_M, WRIST_TO_PALM_Z_M, HandModel
from skin_teleop.kinematics import hand_posture
from skin_teleop.transforms import Array

VIEWS = {"onto the palm": (1, 2), "from the thumb's side": (0, 2)}
"""Axes of the palm frame (x out of the palm, y to the thumb of a right hand, z to the fingers) across and up."""
_MM = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame of a retargeted trace."""

    caption: str
    keypoints_m: Array
    """(25, 3) human joints in the wrist frame of a right hand."""
    q_rad: Array
    """(16,)"""


def overlay_strip(model: HandModel, scale: Array, moments: Sequence[Moment]) -> Figure:
    """A row of moments for each view; robot links filled, the human's bones as lines, fingers by colour."""
    figure = new_figure(1.9 * len(moments) + 0.5, 5.0)
    axes = figure.subplots(len(VIEWS), len(moments), sharey=True, squeeze=False)
    for row, (view, across) in enumerate(VIEWS.items()):
        for column, moment in enumerate(moments):
            ax = axes[row, column]
            _draw_robot(ax, model, moment.q_rad, across)
            _draw_human(ax, moment.keypoints_m, scale, across)
            centre = 15 if row == 0 else 40
            ax.set(xlim=(centre - 125, centre + 125), ylim=(-110, 190), aspect="equal")
            if row == 0:
                ax.invert_xaxis()  # the palm faces the reader, the thumb of a right hand lies on the left
                ax.set_title(moment.caption)
            else:
                ax.set_xlabel("mm")
        axes[row, 0].set_ylabel(f"{view}, mm")
    return figure


def _draw_robot(ax: Axes, model: HandModel, q_rad: Array, across: tuple[int, int]) -> None:
    posture = hand_posture(model, q_rad)
    palm, size = model.palm_box_centre_m[list(across)], model.palm_box_size_m[list(across)]
    ax.add_patch(Rectangle(tuple(_MM * (palm - size / 2)), *(_MM * size), facecolor=GRID, edgecolor=FAINT, lw=0.6))
    depth = ({0, 1, 2} - set(across)).pop()
    for link in np.argsort(posture.link_position_m[:, depth]):
        colour = FINGER_COLOURS[FINGERS[link // 4]]
        box = _outline(posture.link_rotation[link], posture.link_position_m[link], model, int(link))[:, across]
        ax.add_patch(Polygon(_MM * _hull(box), facecolor=colour, edgecolor=colour, alpha=0.28, lw=0.7))
    for finger, tip in zip(FINGERS, posture.tip_position_m):
        ax.add_patch(
            Circle(tuple(_MM * tip[list(across)]), _MM * TIP_RADIUS_M, color=FINGER_COLOURS[finger], alpha=0.4)
        )


def _draw_human(ax: Axes, keypoints_m: Array, scale: Array, across: tuple[int, int]) -> None:
    points = (keypoints_m - keypoints_m[0]) @ WEBXR_WRIST_TO_OPERATOR.T
    for finger, size in zip(FINGERS, scale):
        line = _MM * (size * points[[0, *BONE_JOINTS[finger]]] - [0, 0, WRIST_TO_PALM_Z_M])[:, across]
        ax.plot(*line.T, color=FAINT, lw=0.8, zorder=4)
        ax.plot(*line[1:].T, color=FINGER_COLOURS[finger], lw=1.6, marker="o", ms=2.5, zorder=5)
        ax.plot(*line[-1], color=TEXT, marker="o", ms=4, mfc="none", zorder=6)


def _outline(rotation: Array, position_m: Array, model: HandModel, link: int) -> Array:
    """(8, 3) corners of a link's box in palm."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(8, 3)
    corners = model.link_box_centre_m[link] + signs * model.link_box_size_m[link] / 2
    turned: Array = position_m + corners @ rotation.T
    return turned


def _hull(points: Array) -> Array:
    """Corners of the convex outline of points (N, 2), in order (Andrew 1979, monotone chain)."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    halves = []
    for run in (ordered, ordered[::-1]):
        chain: list[Array] = []
        for point in run:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        halves += chain[:-1]
    return np.array(halves)


def _turn(a: Array, b: Array, c: Array) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
