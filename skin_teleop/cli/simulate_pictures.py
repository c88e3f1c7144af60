"""Pictures of the scripted actions: one strip an action, from coming near to the action's own two extremes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drivers.simulated.objects import FLAP
from drivers.simulated.render import Camera, render
from drivers.simulated.scene import scene_at
from drivers.simulated.scripted.actions import ACTION_NAMES, Attempt, suits
from drivers.simulated.scripted.episode import Episode, play_episode
from drivers.simulated.skin_paint import SkinPaint
from skin_teleop.cli.report.colours import FAINT
from skin_teleop.cli.report.style import PICTURE_DPI, new_figure
from skin_teleop.cli.simulate_plan import make_folder
from skin_teleop.clock import NS_PER_S, Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.messages import JointState, Truth
from skin_teleop.rig import Rig, WorldConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

WIDTH, HEIGHT = 400, 340
CAMERA = Camera(position_m=(0.26, 0.36, 0.40), target_m=(-0.09, 0.05, 0.17), vertical_view_deg=36.0)
BEST_OBJECT = {"squeeze": "ball", "slide": "corn", "rotation": "rubikscube", "pick-and-drop": "pringle",
               "circumduction": "cup", "pressing": "legopool", "wiping": "mustard", "articulation": FLAP}  # fmt: skip
"""Design choice: another object for every action, where the user leaves the choice."""
EXTREMES = {"squeeze": (0.5, 1.0), "rotation": (0.0, 1.0), "pick-and-drop": (0.65, 0.98), "pressing": (0.5, 1.0),
            "articulation": (0.5, 1.0)}  # fmt: skip
"""Shares of an attempt at which the action looks most different; for strokes and circles a quarter and three."""
QUARTERS = (0.25, 0.75)
ONE_ROUND_S = 1.5
"""An episode this short does its action's script once."""
ROUNDS = 5
"""Draws that are tried for one in which the script keeps an attempt."""


@dataclass
class _Film:
    """An episode's skin frames with the joint positions at each."""

    truths: list[Truth] = field(default_factory=list)
    joints: list[Array] = field(default_factory=list)
    _position: Array = field(default_factory=lambda: np.zeros(16))

    def on_joints(self, state: JointState) -> None:
        self._position = state.position

    def on_skin(self, truth: Truth, counts: Array) -> None:
        self.truths.append(truth)
        self.joints.append(self._position)

    def force_n(self) -> Array:
        """(n,) sum of the forces on all pads."""
        wrench = np.array([truth.pad_wrench[:, :3] for truth in self.truths])
        total: Array = np.linalg.norm(wrench, axis=-1).sum(-1)
        return total


def draw_actions(rig: Rig, actions: Sequence[str], objects: Sequence[str], seed: int, folder: Path) -> list[Path]:
    """Play every action once and write `<action>.png`.

    Raises ConfigError where no object suits, nothing was kept, or the folder cannot be made.
    """
    chosen = {action: _object_for(action, objects) for action in actions}
    make_folder(folder, "pictures")
    written = []
    for action, name in chosen.items():
        episode, attempt, film = _kept_attempt(rig, action, name, seed)
        path = folder / f"{action}.png"
        _write_strip(rig, episode, attempt, film, path)
        written.append(path)
    return written


def _object_for(action: str, objects: Sequence[str]) -> str:
    fitting = [name for name in objects if suits(action, name)]
    if not fitting:
        raise ConfigError(f"a picture of {action} with {', '.join(objects)}", next_step="give an object that suits it")
    return BEST_OBJECT[action] if BEST_OBJECT[action] in fitting else fitting[0]


def _kept_attempt(rig: Rig, action: str, name: str, seed: int) -> tuple[Episode, Attempt, _Film]:
    """Play an action with an object, drawn anew until the script keeps an attempt; the last one kept is shown."""
    rig = dataclasses.replace(rig, world=dataclasses.replace(rig.world or WorldConfig(), object=name))
    for turn in range(ROUNDS):
        film = _Film()
        seeds = [seed, 2, ACTION_NAMES.index(action), turn]
        episode = play_episode(
            rig, action, name, ONE_ROUND_S, seeds, start=Stamp(0, 0, 0), on_skin=film.on_skin, on_joints=film.on_joints
        )
        kept = [attempt for attempt in episode.attempts if attempt.kept]
        if kept:
            return episode, kept[-1], film
    raise ConfigError(f"a picture of {action} with {name}", found=f"nothing kept in {ROUNDS} draws",
                      next_step="try another --seed")  # fmt: skip


def _moments(attempt: Attempt, film: _Film) -> list[tuple[str, int]]:
    """Caption and frame: before the first touch, before the action begins, and the action's extremes."""
    t_s = np.array([truth.t_dev for truth in film.truths]) / NS_PER_S
    first_touch = int(np.argmax(film.force_n() > 0))
    first, last = (
        int(np.searchsorted(t_s, attempt.start_s + share * (attempt.end_s - attempt.start_s)))
        for share in EXTREMES.get(attempt.action, QUARTERS)
    )
    named = [("coming near", first_touch - 45), ("first touch", first_touch + 5), (attempt.action, first),
             (attempt.action, last)]  # fmt: skip
    return [(name, min(max(frame, 0), len(t_s) - 1)) for name, frame in named]


def _write_strip(rig: Rig, episode: Episode, attempt: Attempt, film: _Film, path: Path) -> None:
    force_n, layout = film.force_n(), skin_layout(rig.skin.layout)
    rig = dataclasses.replace(rig, world=dataclasses.replace(rig.world or WorldConfig(), object=episode.specimen.name))
    moments = _moments(attempt, film)
    figure = new_figure(3.1 * len(moments), 2.95)
    for k, (caption, frame) in enumerate(moments):
        truth = film.truths[frame]
        things = {episode.specimen.name: episode.specimen.scene}
        model, data = scene_at(rig, film.joints[frame], truth.palm_pose, truth.scene_pose, things)
        glow = SkinPaint(layout, np.linalg.norm(truth.taxel_force, axis=-1))
        axes = figure.add_subplot(1, len(moments), k + 1)
        axes.imshow(render(model, data, CAMERA, WIDTH, HEIGHT, skin=glow))
        axes.set_title(f"{caption}\n{truth.t_dev / NS_PER_S:.1f} s, {force_n[frame]:.1f} N on the skin", fontsize=8)
        axes.set_axis_off()
    figure.suptitle(f"{attempt.action}: {episode.specimen.name}", fontsize=10, x=0.01, ha="left", color=FAINT)
    figure.savefig(path, dpi=PICTURE_DPI)
