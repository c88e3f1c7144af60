"""The objects that hands are trained on, built from primitives, each drawn with its own size, mass and surface.

Names are those of the 14 objects of the public Sparsh-skin data; shapes and ranges are guesses from everyday things.
They are held upright in the air, as if handed over, until a hand has closed around them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from drivers.simulated.scene_object import SceneObject
from skin_teleop.errors import ConfigError

PLACE_M = (-0.115, 0.10, 0.17)
"""Where the middle of every object is held, world frame."""
SIZE_SHARE = 0.06
"""Sizes vary by as much."""


@dataclass(frozen=True)
class Part:
    """One primitive of an object."""

    shape: str
    """`box`, `cylinder`, `capsule` or `ellipsoid`."""
    size_m: tuple[float, float, float]
    """Half lengths, or radius and half height along z."""
    place_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Thing:
    """One kind of object with the ranges that its instances are drawn from."""

    parts: tuple[Part, ...]
    depth_m: float
    """From its axis to the face that the palm meets."""
    mass_kg: tuple[float, float]
    friction: tuple[float, float]
    softness_s: tuple[float, float]
    """Time constant of a contact (MuJoCo's solref); larger is softer."""
    colour: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Raise ConfigError for a range that nothing real can have."""
        sizes_m = (self.depth_m, *(part.size_m[0] for part in self.parts))
        for what, span in (
            ("mass, kg", self.mass_kg),
            ("friction", self.friction),
            ("softness, s", self.softness_s),
            ("size, m", (min(sizes_m), max(sizes_m))),
        ):
            if not 0 < span[0] <= span[1] < np.inf:
                raise ConfigError(
                    f"an object's {what}", found=f"{span[0]} to {span[1]}", allowed="above 0, low to high"
                )


def _one(shape: str, *size_m: float) -> tuple[Part, ...]:
    x, y, z = (*size_m, 0.0, 0.0)[:3]
    return (Part(shape, (x, y, z)),)


HARD, SOFT = (0.008, 0.012), (0.015, 0.030)
THINGS: dict[str, Thing] = {
    "corn": Thing(_one("capsule", 0.026, 0.065), 0.026, (0.08, 0.16), (0.6, 0.9), HARD, (0.90, 0.78, 0.25)),
    "rubikscube": Thing(_one("box", 0.0285, 0.0285, 0.0285), 0.0285, (0.07, 0.12), (0.5, 0.8), HARD, (0.2, 0.35, 0.7)),
    "metalcup": Thing(_one("cylinder", 0.036, 0.055), 0.036, (0.12, 0.25), (0.4, 0.7), HARD, (0.72, 0.74, 0.78)),
    "cup": Thing(
        (Part("cylinder", (0.038, 0.055, 0)), Part("box", (0.012, 0.004, 0.028), (-0.048, 0, 0))),
        0.038,
        (0.12, 0.30),
        (0.5, 0.8),
        HARD,
        (0.85, 0.85, 0.80),
    ),
    "ball": Thing(_one("ellipsoid", 0.040, 0.040, 0.040), 0.040, (0.05, 0.15), (0.7, 1.1), SOFT, (0.85, 0.35, 0.2)),
    "drill": Thing(
        (Part("cylinder", (0.027, 0.075, 0)), Part("box", (0.02, 0.045, 0.02), (0, 0.02, 0.090))),
        0.027,
        (0.20, 0.35),
        (0.6, 0.9),
        HARD,
        (0.15, 0.45, 0.40),
    ),
    "mustard": Thing(_one("box", 0.045, 0.029, 0.085), 0.029, (0.10, 0.35), (0.5, 0.8), HARD, (0.92, 0.75, 0.1)),
    "lego": Thing(_one("box", 0.032, 0.024, 0.058), 0.024, (0.05, 0.15), (0.5, 0.8), HARD, (0.8, 0.15, 0.15)),
    "pringle": Thing(_one("cylinder", 0.0375, 0.100), 0.0375, (0.08, 0.20), (0.6, 0.9), HARD, (0.78, 0.36, 0.30)),
    "legopool": Thing(_one("box", 0.040, 0.030, 0.060), 0.030, (0.15, 0.30), (0.5, 0.8), SOFT, (0.36, 0.52, 0.58)),
    "watermelon": Thing(
        _one("ellipsoid", 0.045, 0.045, 0.065), 0.045, (0.15, 0.35), (0.6, 0.9), SOFT, (0.25, 0.5, 0.2)
    ),
    "popcorn": Thing(_one("box", 0.036, 0.036, 0.065), 0.036, (0.05, 0.12), (0.6, 0.9), SOFT, (0.9, 0.3, 0.3)),
    "loofah": Thing(_one("ellipsoid", 0.038, 0.038, 0.075), 0.038, (0.05, 0.10), (0.8, 1.2), SOFT, (0.85, 0.8, 0.6)),
    "slipper": Thing(_one("capsule", 0.033, 0.080), 0.033, (0.10, 0.25), (0.8, 1.1), SOFT, (0.5, 0.4, 0.6)),
}
FLAP = "flap"
"""The articulated object: an upright flap on a sprung hinge, to be pushed open."""
FLAP_HALF_M = (0.060, 0.006, 0.070)
OBJECT_NAMES = (*THINGS, FLAP)


def known_object(name: str) -> str:
    """The name itself; raises ConfigError for one that is not known."""
    if name not in OBJECT_NAMES:
        raise ConfigError(f"object {name!r} was asked for", allowed=", ".join(OBJECT_NAMES))
    return name


@dataclass(frozen=True)
class Specimen:
    """One drawn instance of an object."""

    name: str
    scene: SceneObject
    depth_m: float
    """From its axis to the face that the palm meets."""
    mass_kg: float
    friction: float
    softness_s: float


def draw(name: str, rng: np.random.Generator) -> Specimen:
    """Draw an instance; raises ConfigError for an unknown name."""
    if known_object(name) == FLAP:
        return _draw_flap(rng)
    thing = THINGS[name]
    scale = 1 + SIZE_SHARE * rng.uniform(-1, 1)
    mass_kg, friction, softness_s = (rng.uniform(*span) for span in (thing.mass_kg, thing.friction, thing.softness_s))
    build = _builder(thing.parts, scale, mass_kg, friction, softness_s, thing.colour)
    scene = SceneObject(build, PLACE_M, holder=True)
    return Specimen(name, scene, scale * thing.depth_m, mass_kg, friction, softness_s)


def _draw_flap(rng: np.random.Generator) -> Specimen:
    mass_kg, friction, softness_s = rng.uniform(0.08, 0.15), rng.uniform(0.5, 0.8), rng.uniform(*HARD)
    parts = (Part("box", FLAP_HALF_M, (0.0, 0.0, FLAP_HALF_M[2])),)
    build = _builder(parts, 1.0, mass_kg, friction, softness_s, (0.55, 0.6, 0.35))
    scene = SceneObject(build, (*PLACE_M[:2], PLACE_M[2] - FLAP_HALF_M[2]), hinge_axis=(1.0, 0.0, 0.0))
    return Specimen(FLAP, scene, FLAP_HALF_M[1], mass_kg, friction, softness_s)


def _builder(
    parts: tuple[Part, ...],
    scale: float,
    mass_kg: float,
    friction: float,
    softness_s: float,
    colour: tuple[float, float, float],
) -> Callable[[mujoco.MjsBody], None]:
    def build(body: mujoco.MjsBody) -> None:
        for k, part in enumerate(parts):
            body.add_geom(
                name=body.name if k == 0 else f"{body.name}_{k}",
                type=getattr(mujoco.mjtGeom, f"mjGEOM_{part.shape.upper()}"),
                size=scale * np.array(part.size_m),
                pos=scale * np.array(part.place_m),
                mass=mass_kg / len(parts),
                friction=(friction, 0.003, 0.0001),
                solref=(softness_s, 1.0),
                rgba=(*colour, 1.0),
            )

    return build
