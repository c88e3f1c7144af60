"""Pictures of the simulated world without OpenGL: MuJoCo's CPU ray casting, one lamp with shadows and a soft sky.

A shadow ray is cast from the light towards the point it may reach, so each light costs one call for all pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from drivers.simulated.skin_paint import SkinPaint
from skin_teleop.transforms import Array

LAMP_M = np.array([-0.45, 0.80, 1.25])
LAMP_RADIUS_M = 0.03
LAMP_COLOUR = np.array([1.0, 0.94, 0.86])
SKY_RADIUS_M, N_SKY = 1.6, 12
SKY_COLOUR = np.array([0.66, 0.74, 0.86])
BACKDROP = np.array([[0.055, 0.065, 0.085], [0.135, 0.155, 0.19]])
"""Colour of the background at the bottom and at the top of a picture."""
FADE_M = (0.32, 0.80)
"""Distance from the picture's centre at which a surface begins to fade into the background, and is gone."""
SHADOW_SLACK = 1e-3
GAMMA = 2.2


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in the world frame with Z up."""

    position_m: tuple[float, float, float] = (0.20, 0.42, 0.40)
    target_m: tuple[float, float, float] = (-0.10, 0.02, 0.13)
    vertical_view_deg: float = 36.0

    def rays(self, width: int, height: int) -> Array:
        """Unit directions (height * width, 3) through the pixels, row by row from the top left."""
        forward = _unit(np.subtract(self.target_m, self.position_m))
        right = _unit(np.cross(forward, [0, 0, 1]))
        up = np.cross(right, forward)
        half = np.tan(np.deg2rad(self.vertical_view_deg) / 2)
        y = half * (1 - 2 * (np.arange(height) + 0.5) / height)
        x = half * width / height * (2 * (np.arange(width) + 0.5) / width - 1)
        directions: Array = _unit(forward + x[None, :, None] * right + y[:, None, None] * up).reshape(-1, 3)
        return directions


DEFAULT_CAMERA = Camera()
"""In front of the palm, a little from above: hand, can and box are all in view."""


@dataclass(frozen=True)
class _Hits:
    """Where rays met a surface; only rays that met one are listed."""

    ray: Array
    """(n,) index of the ray."""
    direction: Array
    """(n, 3) unit direction of the ray."""
    point_m: Array
    """(n, 3) world frame."""
    normal: Array
    """(n, 3) outward."""
    geom: Array
    """(n,)."""

    def only(self, mine: Array) -> _Hits:
        """The hits with these indices."""
        return _Hits(self.ray[mine], self.direction[mine], self.point_m[mine], self.normal[mine], self.geom[mine])


@dataclass(frozen=True)
class _Rays:
    """MuJoCo's ray casting in one state of the world."""

    model: mujoco.MjModel
    data: mujoco.MjData

    def cast(self, origin_m: Array, vectors: Array) -> tuple[Array, Array, Array]:
        """Geom (n,) or -1, distance (n,) in lengths of the vector, outward normal (n, 3) of the nearest surfaces."""
        n = len(vectors)
        geom, distance, normal = np.full(n, -1, np.int32), np.zeros(n), np.zeros(3 * n)
        flat = np.ascontiguousarray(vectors).reshape(-1)
        mujoco.mj_multiRay(
            self.model, self.data, origin_m, flat, None, 1, -1, geom, distance, normal, n, mujoco.mjMAXVAL
        )
        return geom, distance, normal.reshape(n, 3)

    def seen(self, origin_m: Array, directions: Array) -> _Hits:
        """What a camera at a point sees."""
        geom, distance, normal = self.cast(origin_m, directions)
        hit = np.flatnonzero(geom >= 0)
        return _Hits(hit, directions[hit], origin_m + distance[hit, None] * directions[hit], normal[hit], geom[hit])

    def lit(self, hits: _Hits, source_m: Array) -> tuple[Array, Array]:
        """Unit directions to a light (n, 3) and its cosine where it is seen, 0 in shadow (n,)."""
        vectors = hits.point_m - source_m
        _, reached, _ = self.cast(source_m, vectors)
        towards = -_unit(vectors)
        cosine = np.clip((hits.normal * towards).sum(-1), 0, 1)
        return towards, np.where(reached > 1 - SHADOW_SLACK, cosine, 0.0)


def render(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera = DEFAULT_CAMERA,
    width: int = 480,
    height: int = 360,
    *,
    supersampling: int = 2,
    skin: SkinPaint | None = None,
) -> Array:
    """Picture (height, width, 3) uint8 of the world as `data` holds it (after `mj_forward` or `mj_step`).

    `supersampling` squared rays are averaged per pixel. `skin` draws the taxels, and may light them by force.
    """
    fine_width, fine_height = width * supersampling, height * supersampling
    picture = _backdrop(fine_height, fine_width)
    rays = _Rays(model, data)
    hits = rays.seen(np.asarray(camera.position_m, float), camera.rays(fine_width, fine_height))
    colour = model.geom_rgba[hits.geom, :3].astype(float)  # (n, 3)
    if skin is not None:
        colour = skin.paint(model, data, hits.point_m, hits.geom, colour)
    turn = hits.ray // fine_width % supersampling * supersampling + hits.ray % supersampling
    lit = _shade(rays, hits, colour**GAMMA, turn, supersampling**2)
    distance = np.linalg.norm(hits.point_m - camera.target_m, axis=-1)
    fade = _smooth((distance - FADE_M[0]) / (FADE_M[1] - FADE_M[0]))[:, None]
    picture[hits.ray] = (1 - fade) * lit + fade * picture[hits.ray]
    pixels = picture.reshape(height, supersampling, width, supersampling, 3).mean((1, 3))
    image: Array = np.rint(255 * np.clip(pixels, 0, 1) ** (1 / GAMMA)).astype(np.uint8)
    return image


def _shade(rays: _Rays, hits: _Hits, albedo: Array, turn: Array, turns: int) -> Array:
    """Light (n, 3) from every hit; the rays of a pixel take turns with the lights, so their mean has soft shadows."""
    lit = np.empty_like(albedo)
    for k in range(turns):
        mine = np.flatnonzero(turn == k)
        angle = 2 * np.pi * k / turns
        lamp_m = LAMP_M + LAMP_RADIUS_M * np.array([np.cos(angle), np.sin(angle), 0])
        lit[mine] = _lambert(rays, hits.only(mine), albedo[mine], lamp_m, _sky()[k % N_SKY :: turns])
    return lit


def _lambert(rays: _Rays, hits: _Hits, albedo: Array, lamp_m: Array, sky_m: Array) -> Array:
    """Lambert's law for the lamp and the sky, and a faint gloss from the lamp, in linear light."""
    to_lamp, lamp = rays.lit(hits, lamp_m)
    halfway = _unit(to_lamp - hits.direction)
    gloss = 0.10 * lamp * np.clip((hits.normal * halfway).sum(-1), 0, 1) ** 40
    sky = np.mean([rays.lit(hits, source)[1] for source in sky_m], axis=0)
    up = 0.5 + 0.5 * hits.normal[:, 2]
    ambient = (0.12 + 0.10 * up + 0.75 * sky)[:, None] * SKY_COLOUR
    shaded: Array = albedo * (0.95 * lamp[:, None] * LAMP_COLOUR + ambient) + gloss[:, None] * LAMP_COLOUR
    return shaded


def _sky() -> Array:
    """Positions (N_SKY, 3) of faint lights spread over the upper half of a sphere (golden spiral), m."""
    step = np.arange(N_SKY)
    height = 0.15 + 0.8 * (step * 5 % N_SKY + 0.5) / N_SKY
    angle = step * np.pi * (3 - np.sqrt(5.0))
    reach = np.sqrt(1 - height**2)
    return SKY_RADIUS_M * np.stack([reach * np.cos(angle), reach * np.sin(angle), height], -1)


def _backdrop(height: int, width: int) -> Array:
    rise = np.linspace(1, 0, height)[:, None]
    column = (1 - rise) * BACKDROP[0] + rise * BACKDROP[1]
    return np.repeat(column**GAMMA, width, axis=0)


def _smooth(x: Array) -> Array:
    """0 to 1 with flat ends."""
    x = np.clip(x, 0, 1)
    smooth: Array = x * x * (3 - 2 * x)
    return smooth


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit
