"""Where the palm and the objects are, as `Truth` notes it: read from the engine's state by index, once per frame."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from drivers.simulated.hand_model import PALM
from drivers.simulated.plug_socket import PLUG, SOCKET
from drivers.simulated.scene_object import SceneObject
from skin_teleop.messages import MAX_OBJECTS
from skin_teleop.transforms import Array, pose_from

NOWHERE = np.full((1 + MAX_OBJECTS, 7), np.nan)
XYZW = np.array([0, 1, 2, 4, 5, 6, 3])
"""Our poses are position and quaternion xyzw, MuJoCo's position and quaternion wxyz."""


class SceneTruth:
    """Poses and velocities of one simulation, world frame."""

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, objects: Mapping[str, SceneObject], object_name: str
    ) -> None:
        self._model, self._data = model, data
        self._row = list(objects).index(object_name)
        self._qpos, self._qvel = data.qpos, data.qvel
        self._body = model.body(object_name).id
        self._dof = model.body(object_name).dofadr[0]
        joints = {0: PALM} | {1 + row: name for row, (name, thing) in enumerate(objects.items()) if thing.free}
        self._rows = list(joints)  # row 0 is the palm, the objects follow
        self._at = np.array([model.joint(name).qposadr[0] + XYZW for name in joints.values()])  # (rows, 7)
        self._spin_at = self._at[self._rows.index(1 + self._row), [6, 3, 4, 5]] if objects[object_name].free else None
        bodies = {1 + row: model.body(name).id for row, name in enumerate(objects)}
        self._fixed = [(row, body) for row, body in bodies.items() if row not in joints]
        self._has_plug = {PLUG, SOCKET} <= objects.keys()

    def columns(self) -> dict[str, Array]:
        """The columns of `Truth` that tell of the palm and the objects."""
        poses = NOWHERE.copy()
        poses[self._rows] = self._qpos[self._at]
        for row, body in self._fixed:
            poses[row, :3], poses[row, 3:] = self._data.xpos[body], self._data.xquat[body][[1, 2, 3, 0]]
        return {
            "object_pose": poses[1 + self._row],
            "object_twist": self._twist(),
            "palm_pose": poses[0],
            "scene_pose": poses[1:],
            "plug_in_socket": self._plug_in_socket(),
        }

    def _twist(self) -> Array:
        """Velocity (6,) of the object, m/s and rad/s; MuJoCo keeps a free body's spin in its own frame."""
        if self._spin_at is None:
            spin_first = np.zeros(6)
            mujoco.mj_objectVelocity(self._model, self._data, mujoco.mjtObj.mjOBJ_BODY, self._body, spin_first, 0)
            return np.roll(spin_first, 3)
        twist: Array = self._qvel[self._dof : self._dof + 6].copy()
        mujoco.mju_rotVecQuat(twist[3:], twist[3:].copy(), self._qpos[self._spin_at])
        return twist

    def _plug_in_socket(self) -> Array:
        if not self._has_plug:
            nowhere: Array = NOWHERE[0]
            return nowhere
        plug, socket = self._data.body(PLUG), self._data.body(SOCKET)
        to_socket = socket.xmat.reshape(3, 3).T
        return pose_from(to_socket @ (plug.xpos - socket.xpos), to_socket @ plug.xmat.reshape(3, 3))
