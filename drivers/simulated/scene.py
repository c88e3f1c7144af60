"""The simulated world: a table with its top at z = 0, the hand on its wrist, and the objects to be touched.

World frame: Z up, X forward. At home the palm faces +Y with the thumb side up and the fingers along +X, as to shake
hands; the can stands in front of the palm and the box lies behind the back of the hand, to be pressed from above.
Every object is more than 3 cm away from the hand at home. A left hand has the mirror image in y of all this.
"""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from drivers.simulated.hand_model import PALM, add_hand
from drivers.simulated.plug_socket import PLUG, plug_and_socket
from drivers.simulated.scene_object import SceneObject, add_object
from skin_teleop.errors import ConfigError
from skin_teleop.hand import hand_model, is_left
from skin_teleop.rig import Rig, WorldConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array, rotation_from_rpy

TABLE_HALF_M = (0.45, 0.45, 0.02)
TABLE_CENTRE_M = (0.0, 0.0, -0.02)
CAN_RADIUS_M, CAN_HEIGHT_M, CAN_MASS_KG = 0.0375, 0.20, 0.17
"""A can of stacked crisps, three quarters full: size of the household object, mass a guess."""
BOX_HALF_M, BOX_MASS_KG = (0.06, 0.06, 0.03), 0.8
"""A soft box of building bricks to press on: a guess."""
OBJECT_FRICTION = (0.8, 0.003, 0.0001)
"""Guess: cardboard and fabric on wood; on the skin the skin's own friction counts."""
TIMESTEP_MS = (0.1, 3.0)
"""Physics steps that keep these contacts stable (their time constants are 8 ms and more)."""


def _add_can(body: mujoco.MjsBody) -> None:
    wall = {"mass": 0, "contype": 0, "conaffinity": 0}
    body.add_geom(
        name="pringle",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[CAN_RADIUS_M, CAN_HEIGHT_M / 2, 0],
        mass=CAN_MASS_KG,
        friction=OBJECT_FRICTION,
        rgba=(0.78, 0.36, 0.30, 1),
    )
    for name, height, half, colour in (
        ("lid", CAN_HEIGHT_M / 2 - 0.004, 0.0042, (0.93, 0.93, 0.91, 1)),
        ("band", 0.02, 0.028, (0.93, 0.86, 0.72, 1)),
    ):
        body.add_geom(
            name=f"pringle_{name}",
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[CAN_RADIUS_M + 0.0003, half, 0],
            pos=[0, 0, height],
            rgba=colour,
            **wall,
        )


def _add_box(body: mujoco.MjsBody) -> None:
    body.add_geom(
        name="legopool",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=BOX_HALF_M,
        mass=BOX_MASS_KG,
        friction=OBJECT_FRICTION,
        solref=(0.02, 1.0),
        rgba=(0.36, 0.52, 0.58, 1),
    )


OBJECTS: dict[str, SceneObject] = {
    "pringle": SceneObject(_add_can, (-0.115, 0.10, CAN_HEIGHT_M / 2)),
    "legopool": SceneObject(_add_box, (-0.08, -0.20, BOX_HALF_M[2])),
}
"""What lies on the table unless the rig asks for the plug."""


def standard_objects(rig: Rig) -> dict[str, SceneObject]:
    """Objects of a rig's table by name, on the side of its hand. Their order is that of `Truth.scene_pose`."""
    world = rig.world or WorldConfig()
    objects = plug_and_socket(world.plug_fit) if world.object == PLUG else OBJECTS
    return {name: thing.mirrored() if is_left(rig.hand.model) else thing for name, thing in objects.items()}


def build_scene(rig: Rig, objects: Mapping[str, SceneObject] | None = None) -> mujoco.MjModel:
    """Compile the world of a simulated rig with its standard objects unless others are given.

    Raises ConfigError for an unknown object or an impossible time step.
    """
    world, objects = rig.world or WorldConfig(), objects or standard_objects(rig)
    if not TIMESTEP_MS[0] <= world.timestep_ms <= TIMESTEP_MS[1]:
        allowed = f"{TIMESTEP_MS[0]} to {TIMESTEP_MS[1]} ms"
        raise ConfigError(f"rig {rig.name}: world.timestep_ms", found=f"{world.timestep_ms} ms", allowed=allowed)
    steps = rig.hand.period_ms / world.timestep_ms
    if abs(steps - round(steps)) > 1e-6:
        raise ConfigError(
            f"rig {rig.name}: world.timestep_ms",
            found=f"{world.timestep_ms} ms",
            allowed=f"a whole fraction of the hand's period, {rig.hand.period_ms} ms",
        )
    if world.object not in objects:
        raise ConfigError(f"object {world.object!r} was asked for", allowed=", ".join([*objects, PLUG]))
    spec = mujoco.MjSpec()
    spec.modelname = rig.name
    _set_options(spec, world.timestep_ms / 1000)
    _add_room(spec)
    hand = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
    home = rotation_from_rpy(np.deg2rad(rig.server.wrist_home_rpy_deg))
    add_hand(spec, hand, skin_layout(rig.skin.layout), np.array(rig.server.wrist_home_m), home)
    for name, thing in objects.items():
        add_object(spec, name, thing)
    return spec.compile()


def _set_options(spec: mujoco.MjSpec, timestep_s: float) -> None:
    """Elliptic cones with a high impedance ratio keep a grasp from creeping (MuJoCo documentation, modelling)."""
    spec.option.timestep = timestep_s
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.impratio = 10


def _add_room(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=TABLE_HALF_M,
        pos=TABLE_CENTRE_M,
        friction=(0.7, 0.003, 0.0001),
        rgba=(0.66, 0.60, 0.53, 1),
    )
    spec.worldbody.add_light(name="lamp", pos=(-0.6, 0.5, 1.4), dir=(0.4, -0.35, -1))


def scene_at(
    rig: Rig,
    joint_position_rad: Array,
    palm_pose: Array,
    scene_pose: Array,
    objects: Mapping[str, SceneObject] | None = None,
) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """The world as it was at a recorded moment, ready for `render`.

    Takes joint positions (16,) rad, `Truth.palm_pose` (7,) and `Truth.scene_pose` (4, 7), m and quaternion xyzw; the
    objects are the rig's standard ones unless others are given.
    """
    objects = objects or standard_objects(rig)
    model = build_scene(rig, objects)
    data = mujoco.MjData(model)
    for k, angle in enumerate(joint_position_rad):
        data.joint(f"joint_{k}").qpos[0] = angle
    data.joint(PALM).qpos[:] = qpos_from_pose(palm_pose)
    for (name, thing), pose in zip(objects.items(), scene_pose):
        if thing.hinge_axis is not None:
            data.joint(name).qpos[0] = 2 * np.arctan2(pose[3:6] @ thing.hinge_axis, pose[6])
        elif thing.free:
            data.joint(name).qpos[:] = qpos_from_pose(pose)
    data.mocap_pos[0], data.mocap_quat[0] = np.split(data.joint(PALM).qpos, [3])
    mujoco.mj_forward(model, data)
    return model, data


def qpos_from_pose(pose: Array) -> Array:
    """MuJoCo's position and quaternion wxyz (7,) from ours, position and quaternion xyzw."""
    return np.concatenate([pose[:3], pose[6:], pose[3:6]])


def pose_from_qpos(qpos: Array) -> Array:
    """Position and quaternion xyzw (7,) from MuJoCo's, position and quaternion wxyz."""
    return np.concatenate([qpos[:3], qpos[4:], qpos[3:4]])
