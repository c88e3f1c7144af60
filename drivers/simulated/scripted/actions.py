"""The eight atomic actions as closed-loop scripts of a hand around an object.

A script prepares (comes near without touching, closes by force), then does its action while `Attempt` notes the time;
only that time is labelled. Before it begins, and after every drop, the object is handed over anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from drivers.simulated.objects import FLAP, Specimen
from drivers.simulated.scripted.robot import ScriptedHand
from skin_teleop.errors import ConfigError
from skin_teleop.transforms import Array

PALM_TO_SKIN_M = 0.019
"""From palm_link to the taxels of the palm (vendor layout)."""
CLEARANCE_M = 0.045
"""How far in front of an object the hand waits."""
LOST_M = 0.12
"""An object farther than this from the palm has been dropped."""
TOO_STRONG_N, JUMP_N = 18.0, 10.0
"""Time in which a pad feels more, or its force changes by more between two frames, is not kept."""
START_S = 0.6
"""Time in which a circle comes up to speed before it is labelled."""
ALONG, UP = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
"""Axes of the world: along the fingers, up."""


@dataclass
class Attempt:
    """One stretch of an action, s of simulated time; it is kept where the script saw nothing go wrong."""

    action: str
    start_s: float
    end_s: float = 0.0
    kept: bool = True
    reason: str = ""


@dataclass
class Script:
    """A hand, its object, its random numbers, and what it has attempted so far."""

    hand: ScriptedHand
    thing: Specimen
    rng: np.random.Generator
    attempts: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forward = np.array([0.0, self.hand.side, 0.0])
        """Out of the palm towards the object."""
        place = np.array(self.thing.scene.start_m) + (0.07 * UP if self.thing.name == FLAP else 0)
        self.touch_m = place - (self.thing.depth_m + PALM_TO_SKIN_M) * self.forward
        """Where palm_link is when the palm meets the object."""
        self.ahead_m = self.touch_m - CLEARANCE_M * self.forward

    def come_near(self) -> None:
        """Hand over the object and wait in front of it with open fingers."""
        self.hand.wanted_n = None
        self.hand.wait(0.25)
        self.hand.move(self.hand.at_m - 0.06 * self.forward, 0.3)
        if self.thing.scene.holder:
            self.hand.world.return_object(self.thing.name)
        self.hand.move(self.ahead_m, 0.5, angle_rad=0.0)

    def grasp(self, force_n: float, *, let_go: bool = True) -> None:
        """Come near, touch with the palm, close until every finger feels `force_n`; the holder lets go."""
        self.come_near()
        self.hand.move(self.touch_m + 0.004 * self.forward, 0.5, until=lambda: self.hand.palm_force_n > 1.0)
        self.hand.wanted_n = np.full(4, 0.4 * force_n)
        self.hand.wait(0.9, until=lambda: bool((self.hand.finger_force_n > 0.3 * force_n).all()))
        self.hand.wanted_n = np.full(4, force_n)
        self.hand.wait(0.35)
        if let_go and self.thing.scene.holder:
            self.hand.world.hold_object(self.thing.name, False)
            self.hand.wait(0.3)

    @property
    def holds(self) -> bool:
        """Whether the object is in the hand, as a camera would see it."""
        truth = self.hand.truth
        return truth is not None and self.hand.palm_distance_m(truth.object_pose[:3]) < LOST_M

    def attempt(self, action: str, work: Callable[[], None], *, must_hold: bool = False) -> bool:
        """Do the work of an action under its label; False when the object was lost meanwhile."""
        before = self.holds
        self.hand.world.phase = ACTION_NAMES.index(action) + 1
        noted = Attempt(action, self.hand.time_s)
        self.hand.watch_anew()
        work()
        noted.end_s = self.hand.time_s
        self.hand.world.phase = 0
        if must_hold and not (before and self.holds):
            noted.kept, noted.reason = False, "dropped"
        elif self.hand.strongest_since_n > TOO_STRONG_N:
            noted.kept, noted.reason = False, "too strong"
        elif self.hand.largest_jump_n > JUMP_N:
            noted.kept, noted.reason = False, "a force jumped"
        self.attempts.append(noted)
        return self.holds


def squeeze(script: Script) -> None:
    """Close and ease the fingers around the held object, about once a second."""
    script.grasp(3.0)
    period_s, low, high = script.rng.uniform(0.9, 1.4), script.rng.uniform(1.8, 2.5), script.rng.uniform(4.5, 6.5)
    for _ in range(4):
        if not script.attempt("squeeze", lambda: _squeeze_once(script.hand, period_s, low, high), must_hold=True):
            return


def _squeeze_once(hand: ScriptedHand, period_s: float, low_n: float, high_n: float) -> None:
    for force_n in (high_n, low_n):
        hand.wanted_n = np.full(4, force_n)
        hand.wait(period_s / 2)


def slide(script: Script) -> None:
    """Stroke the held object up and down with closed fingers."""
    script.grasp(script.rng.uniform(0.4, 0.8), let_go=False)
    _stroke(script, "slide", UP, script.rng.uniform(0.015, 0.022), script.rng.uniform(0.5, 0.7))


def wiping(script: Script) -> None:
    """Wipe over the held object with the stretched hand."""
    _lay_flat(script)
    _stroke(script, "wiping", ALONG, script.rng.uniform(0.020, 0.030), script.rng.uniform(0.7, 1.0))


def _stroke(script: Script, action: str, along: Array, reach_m: float, rate_hz: float) -> None:
    hand, middle = script.hand, script.hand.at_m.copy()
    for _ in range(4):
        script.attempt(
            action,
            lambda: hand.follow(lambda s: middle + reach_m * np.sin(2 * np.pi * rate_hz * s) * along, 1 / rate_hz),
        )


def _lay_flat(script: Script) -> None:
    """Lay palm and stretched fingers against the object with about 3 N."""
    hand = script.hand
    script.come_near()
    hand.flat, hand.closed = True, np.zeros(4)
    hand.move(script.ahead_m, 0.3)
    onto_m = script.touch_m + 0.008 * script.forward
    hand.move(onto_m, 0.8, until=lambda: hand.palm_force_n + hand.finger_force_n.sum() > 3.0)


def pressing(script: Script) -> None:
    """Press the stretched hand against the held object and ease off, keeping the touch."""
    _lay_flat(script)
    _push(script, "pressing", script.rng.uniform(0.004, 0.007), script.rng.uniform(0.6, 1.0))


def _push(script: Script, action: str, reach_m: float, rate_hz: float) -> None:
    """Push forward and come back, four times."""
    hand, start_m = script.hand, script.hand.at_m.copy()

    def there_and_back(s: float) -> Array:
        return np.asarray(start_m + reach_m * (1 - np.cos(2 * np.pi * rate_hz * s)) / 2 * script.forward)

    for _ in range(4):
        script.attempt(action, lambda: hand.follow(there_and_back, 1 / rate_hz))


def rotation(script: Script) -> None:
    """Turn the grasped object to and fro about the vertical."""
    script.grasp(5.0)
    angle, seconds = script.hand.side * np.deg2rad(script.rng.uniform(18, 28)), script.rng.uniform(0.7, 1.0)
    script.hand.move(script.hand.at_m - 0.05 * script.forward, 0.5)
    script.hand.turn = (UP, 0.0)
    script.hand.move(script.hand.at_m, 0.5, angle_rad=-angle)
    for sign in (1, -1, 1, -1):
        work = _turn_to(script.hand, sign * angle, seconds)
        if not script.attempt("rotation", work, must_hold=True):
            break
    script.hand.move(script.hand.at_m, 0.5, angle_rad=0.0)


def _turn_to(hand: ScriptedHand, angle_rad: float, seconds: float) -> Callable[[], None]:
    def work() -> None:
        hand.move(hand.at_m, seconds, angle_rad=angle_rad)

    return work


def circumduction(script: Script) -> None:
    """Carry the grasped object around a circle."""
    script.grasp(5.0)
    hand = script.hand
    hand.move(hand.at_m - 0.06 * script.forward, 0.5)
    radius_m, seconds = script.rng.uniform(0.025, 0.04), script.rng.uniform(1.3, 1.8)
    centre = hand.at_m - radius_m * ALONG

    def circle(s: float) -> Array:
        """Place on the circle; the first `START_S` bring it up to speed."""
        angle = 2 * np.pi / seconds * (s - START_S / 2 if s > START_S else s * s / (2 * START_S))
        return np.asarray(centre + radius_m * (np.cos(angle) * ALONG + np.sin(angle) * UP))

    hand.follow(circle, START_S)
    for turn in range(3):
        begun_s = START_S + turn * seconds
        work = _follow_from(hand, circle, begun_s, seconds)
        if not script.attempt("circumduction", work, must_hold=True):
            return


def _follow_from(
    hand: ScriptedHand, path: Callable[[float], Array], begun_s: float, seconds: float
) -> Callable[[], None]:
    def work() -> None:
        hand.follow(lambda s: path(begun_s + s), seconds)

    return work


def pick_and_drop(script: Script) -> None:
    """Grasp, lift, let fall."""
    script.grasp(script.rng.uniform(4.0, 5.5))
    lift_m = script.hand.at_m + script.rng.uniform(0.05, 0.07) * UP
    script.attempt("pick-and-drop", lambda: _lift_and_release(script.hand, lift_m))


def _lift_and_release(hand: ScriptedHand, lift_m: Array) -> None:
    hand.move(lift_m, 0.7)
    hand.wait(0.2)
    hand.wanted_n = None
    hand.wait(0.3)


def articulation(script: Script) -> None:
    """Push the flap open with the stretched hand and follow it back."""
    _lay_flat(script)
    _push(script, "articulation", script.rng.uniform(0.022, 0.032), script.rng.uniform(0.5, 0.8))


ACTIONS: dict[str, Callable[[Script], None]] = {
    "squeeze": squeeze,
    "slide": slide,
    "rotation": rotation,
    "pick-and-drop": pick_and_drop,
    "circumduction": circumduction,
    "pressing": pressing,
    "wiping": wiping,
    "articulation": articulation,
}
ACTION_NAMES = tuple(ACTIONS)
"""`Truth.phase` is the place in this list, from 1."""


def suits(action: str, object_name: str) -> bool:
    """Whether an action can be done with an object: only the flap has a joint, and it has nothing else."""
    return (action == "articulation") == (object_name == FLAP)


def known_action(name: str) -> str:
    """The name itself; raises ConfigError for one that is not known."""
    if name not in ACTIONS:
        raise ConfigError(f"action {name!r} was asked for", allowed=", ".join(ACTIONS))
    return name
