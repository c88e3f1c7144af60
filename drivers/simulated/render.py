"""Pictures of the simulated world without OpenGL: MuJoCo's CPU ray casting, one lamp with shadows and a soft sky.

A shadow ray is cast from the light towards the point it may reach, so each light costs one call for all pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np

from drivers.simulated.skin_paint import SkinPaint
from skin_teleop.transforms import Array

LAMP_M = np.array([-0.45, 0.80, 1.25])
LAMP_RADIUS_M = 0.06
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

    position_m: tuple[float, float, float] = (0.16, 0.50, 0.36)
    target_m: tuple[float, float, float] = (-0.10, 0.03, 0.10)
    vertical_view_deg: float = 38.0

    def rays(self, width: int, height: int) -> Array:
        """Unit directions (height * width, 3) through the pixels, row by row from the top left."""
        forward = _unit(np.subtract(self.target_m, self.position_m))
        right = _unit(np.cross(forward, [0, 0, 1]))
        up = np.cross(right, forward)
        half = np.tan(np.deg2rad(self.vertical_view_deg) / 2)
        y = half * (1 - 2 * (np.arange(height) + 0.5) / height)
        x = half * width / height * (2 * (np.arange(width) + 0.5) / width - 1)
        return _unit(forward + x[None, :, None] * right + y[:, None, None] * up).reshape(-1, 3)


@dataclass(frozen=True)
class _Hits:
    """What the camera rays met; only rays that met something are listed."""

    ray: Array = field(repr=False)
    """(n,) index of the ray."""
    point_m: Array
    normal: Array
    geom: Array


def render(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera = Camera(),
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
    rays = camera.rays(fine_width, fine_height)
    picture = _backdrop(fine_height, fine_width)
    hits = _cast(model, data, camera, rays)
    colour = model.geom_rgba[hits.geom, :3].astype(float)  # (n, 3)
    if skin is not None:
        colour = skin.paint(model, data, hits.point_m, hits.geom, colour)
    lit = _shade_by_turns(model, data, hits, rays, colour, fine_width, supersampling)
    distance = np.linalg.norm(hits.point_m - camera.target_m, axis=-1)
    fade = _smooth((distance - FADE_M[0]) / (FADE_M[1] - FADE_M[0]))[:, None]
    picture[hits.ray] = (1 - fade) * lit + fade * picture[hits.ray]
    blocks = picture.reshape(height, supersampling, width, supersampling, 3).mean((1, 3))
    return np.rint(255 * np.clip(blocks, 0, 1) ** (1 / GAMMA)).astype(np.uint8)


def _cast(model: mujoco.MjModel, data: mujoco.MjData, camera: Camera, rays: Array) -> _Hits:
    geom, distance, normal = _multi_ray(model, data, np.asarray(camera.position_m, float), rays)
    hit = np.flatnonzero(geom >= 0)
    point = np.asarray(camera.position_m) + distance[hit, None] * rays[hit]
    return _Hits(hit, point, normal[hit], geom[hit])


def _multi_ray(
    model: mujoco.MjModel, data: mujoco.MjData, origin_m: Array, vectors: Array
) -> tuple[Array, Array, Array]:
    """Geom (n,) or -1, distance (n,) in lengths of the vector, outward normal (n, 3) of the nearest surfaces."""
    n = len(vectors)
    geom, distance, normal = np.full(n, -1, np.int32), np.zeros(n), np.zeros(3 * n)
    mujoco.mj_multiRay(
        model, data, origin_m, vectors.reshape(-1), None, 1, -1, geom, distance, normal, n, mujoco.mjMAXVAL
    )
    return geom, distance, normal.reshape(n, 3)


def _shade_by_turns(
    model: mujoco.MjModel, data: mujoco.MjData, hits: _Hits, rays: Array, colour: Array, width: int, side: int
) -> Array:
    """Shade each of the `side` squared rays of a pixel by lights of its own, so that their mean has soft shadows."""
    turn = (hits.ray // width) % side * side + hits.ray % width % side
    lit = np.empty_like(colour)
    for k in range(side * side):
        mine = np.flatnonzero(turn == k)
        part = _Hits(hits.ray[mine], hits.point_m[mine], hits.normal[mine], hits.geom[mine])
        angle = 2 * np.pi * k / (side * side)
        lamp_m = LAMP_M + LAMP_RADIUS_M * np.array([np.cos(angle), np.sin(angle), 0])
        lit[mine] = _shade(model, data, part, rays, colour[mine], lamp_m, _sky()[k % N_SKY :: side * side])
    return lit


def _sky() -> Array:
    """Positions (N_SKY, 3) of faint lights evenly over the upper half of a sphere (golden spiral), m."""
    step = np.arange(N_SKY)
    height = 0.15 + 0.8 * (step * 5 % N_SKY + 0.5) / N_SKY
    turn = step * np.pi * (3 - np.sqrt(5.0))
    reach = np.sqrt(1 - height**2)
    return SKY_RADIUS_M * np.stack([reach * np.cos(turn), reach * np.sin(turn), height], -1)


def _shade(
    model: mujoco.MjModel, data: mujoco.MjData, hits: _Hits, rays: Array, colour: Array, lamp_m: Array, sky_m: Array
) -> Array:
    """Lambert's law for the lamp and the sky, a faint gloss from the lamp, in linear light."""
    albedo = colour**GAMMA
    to_lamp, lamp = _light(model, data, hits, lamp_m)
    halfway = _unit(to_lamp - rays[hits.ray])
    gloss = 0.12 * lamp * np.clip((hits.normal * halfway).sum(-1), 0, 1) ** 40
    sky = sum(_light(model, data, hits, source)[1] for source in sky_m) / len(sky_m)
    up = 0.5 + 0.5 * hits.normal[:, 2]
    ambient = (0.12 + 0.10 * up + 0.85 * sky)[:, None] * SKY_COLOUR
    return albedo * (0.85 * lamp[:, None] * LAMP_COLOUR + ambient) + gloss[:, None] * LAMP_COLOUR


def _light(model: mujoco.MjModel, data: mujoco.MjData, hits: _Hits, source_m: Array) -> tuple[Array, Array]:
    """Unit directions to a light (n, 3) and its cosine where it is seen, 0 in shadow (n,)."""
    vectors = hits.point_m - source_m
    _, reached, _ = _multi_ray(model, data, source_m, vectors)
    towards = -_unit(vectors)
    cosine = np.clip((hits.normal * towards).sum(-1), 0, 1)
    return towards, np.where(reached > 1 - SHADOW_SLACK, cosine, 0.0)


def _backdrop(height: int, width: int) -> Array:
    rise = np.linspace(1, 0, height)[:, None]
    column = (1 - rise) * BACKDROP[0] + rise * BACKDROP[1]
    return np.repeat(column**GAMMA, width, axis=0)


def _smooth(x: Array) -> Array:
    """0 to 1 with flat ends."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _unit(vectors: Array) -> Array:
    length: Array = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / length
