"""Pictures without OpenGL show the scene: table, can and hand are seen where they are, shadows fall, taxels glow."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from drivers.simulated.render import Camera, render
from drivers.simulated.scene import build_scene
from drivers.simulated.skin_paint import SkinPaint
from skin_teleop.rig import load_rig
from skin_teleop.skin_layout import skin_layout

LAYOUT = skin_layout()
AT_FINGERTIPS = Camera(position_m=(0.1, 0.35, 0.25), target_m=(0.0, 0.0, 0.16), vertical_view_deg=30)


@pytest.fixture(scope="module")
def scene() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = build_scene(load_rig("simulated"))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def red(picture: np.ndarray) -> np.ndarray:
    """Where the can's red is, (height, width) bool."""
    r, g, b = np.moveaxis(picture.astype(int), -1, 0)
    return (r > 1.7 * g) & (r > 1.7 * b) & (r > 60)


def test_a_picture_is_neither_blank_nor_burnt(scene) -> None:
    picture = render(*scene, width=120, height=90)
    assert picture.shape == (90, 120, 3)
    assert picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500
    assert (picture.max(-1) == 255).mean() < 0.02


def test_the_can_is_seen_where_it_stands(scene) -> None:
    model, data = scene
    camera = Camera()
    picture = render(model, data, camera, 120, 90, supersampling=1)
    rows, columns = np.nonzero(red(picture))
    assert len(rows) > 100
    towards = data.body("pringle").xpos - np.array(camera.position_m)
    expected = np.argmax(camera.rays(120, 90) @ (towards / np.linalg.norm(towards)))
    assert abs(rows.mean() - expected // 120) < 8
    assert abs(columns.mean() - expected % 120) < 8


def test_the_middle_ray_looks_at_the_target() -> None:
    camera = Camera(position_m=(1.0, 2.0, 1.0), target_m=(1.0, 0.0, 1.0))
    middle = camera.rays(31, 21)[10 * 31 + 15]
    np.testing.assert_allclose(middle, [0, -1, 0], atol=1e-12)
    top_left = camera.rays(31, 21)[0]
    assert top_left[2] > 0
    assert top_left[0] > 0, "looking along -Y, left is +X"


def test_objects_throw_shadows_on_the_table(scene) -> None:
    model, data = scene
    from_above = Camera(position_m=(0.0, 0.001, 1.5), target_m=(-0.1, 0.0, 0.0), vertical_view_deg=35)
    with_can = render(model, data, from_above, 80, 60, supersampling=1).astype(int)
    moved = mujoco.MjData(model)
    moved.joint("pringle").qpos[:3] = [5, 5, 5]
    mujoco.mj_forward(model, moved)
    without = render(model, moved, from_above, 80, 60, supersampling=1).astype(int)
    darker = (with_can.sum(-1) < without.sum(-1) - 60) & ~red(with_can)
    assert darker.sum() > 20


def test_taxels_are_drawn_and_glow_with_force(scene) -> None:
    plain = render(*scene, AT_FINGERTIPS, 160, 120)
    dotted = render(*scene, AT_FINGERTIPS, 160, 120, skin=SkinPaint(LAYOUT))
    force = np.zeros(368)
    force[LAYOUT.pad("1aftc").taxels] = 2.0
    glowing = render(*scene, AT_FINGERTIPS, 160, 120, skin=SkinPaint(LAYOUT, force))
    assert (dotted != plain).any(-1).sum() > 30
    changed = (glowing != dotted).any(-1)
    assert changed.sum() > 30
    r, _, b = np.moveaxis(glowing[changed].astype(int), -1, 0)
    assert (r - b).mean() > 60, "glow is warm"


def test_the_same_moment_gives_the_same_picture(scene) -> None:
    np.testing.assert_array_equal(render(*scene, width=60, height=45), render(*scene, width=60, height=45))
