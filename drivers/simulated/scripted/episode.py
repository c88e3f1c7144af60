"""One episode: a drawn object, a hand, and one action done over and over for a while."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from drivers.simulated.objects import Specimen, draw
from drivers.simulated.scripted.actions import ACTIONS, Attempt, Script, known_action, suits
from drivers.simulated.scripted.robot import JointListener, ScriptedHand, SkinListener
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.world import World
from skin_teleop.clock import Stamp
from skin_teleop.errors import ConfigError
from skin_teleop.hand import is_left
from skin_teleop.rig import Rig, WorldConfig

REST_S = 1.0
"""Time at the start in which nothing is touched: the skin's baseline."""


@dataclass(frozen=True)
class Episode:
    """What was done: the object as it was drawn, and all attempts."""

    specimen: Specimen
    attempts: list[Attempt]
    rest_s: tuple[float, float]


def play_episode(
    rig: Rig,
    action: str,
    object_name: str,
    seconds: float,
    seed: list[int],
    *,
    start: Stamp,
    on_skin: SkinListener,
    on_joints: JointListener,
    skin: SkinParameters | None = None,
) -> Episode:
    """Rest, then do the action until `seconds` are over; the same seed gives the same episode on the same skin.

    Samples are stamped with simulated time after `start`. Which skin it is, the rig's world.seed says.

    Raises ConfigError for an unknown action or object, or an action that does not suit the object.
    """
    if not suits(known_action(action), object_name):
        raise ConfigError(f"action {action!r} with object {object_name!r}", allowed="articulation with flap alone")
    rng = np.random.default_rng(seed)
    specimen = draw(object_name, rng)
    if is_left(rig.hand.model):
        specimen = dataclasses.replace(specimen, scene=specimen.scene.mirrored())
    config = dataclasses.replace(rig.world or WorldConfig(), object=object_name)
    noise_seed = int(rng.integers(2**31))
    world = World(dataclasses.replace(rig, world=config), skin, {object_name: specimen.scene}, noise_seed)
    hand = ScriptedHand(rig, world, start, on_skin, on_joints)
    script = Script(hand, specimen, rng)
    hand.wait(REST_S)
    while hand.time_s < seconds:
        hand.flat = False
        ACTIONS[action](script)
    return Episode(specimen, script.attempts, (0.1, REST_S))
