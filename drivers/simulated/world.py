"""The simulated world without its wires: physics, wrist, skin. One control period at a time, no sockets, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import mujoco
import numpy as np

from drivers.simulated.hand_model import PALM, WRIST
from drivers.simulated.scene import OBJECTS, SceneObject, build_scene, pose_from_qpos, qpos_from_pose
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin_contact import SkinContact, SkinTruth
from drivers.simulated.skin_scan import SkinScan
from skin_teleop.clock import NS_PER_MS, NS_PER_S, Stamp
from skin_teleop.messages import MAX_OBJECTS, Truth
from skin_teleop.rig import Rig, WorldConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array, rotation_from_quaternion

SKIN_PERIOD_NS = 10 * NS_PER_MS
"""The vendor server's broadcast and the recorded truth: 100 Hz of simulated time."""
OBJECT_ORDER = tuple(OBJECTS)
"""Which object each row of `Truth.scene_pose` is in a live rig; rows beyond are NaN."""
MAX_WRIST_SPEED_M_PER_S, MAX_WRIST_SPEED_RAD_PER_S = 0.6, 3.0
"""Design choice: a brisk human reach; a target that jumps is approached at this speed."""
MAX_WRIST_LEAD_M = 0.03
"""How far the wrist's target may run ahead of the palm: it bounds the push of the compliant weld near 36 N."""
LOST_BELOW_M = -0.25
"""An object that fell off the table and below this height stands at its start again."""


class World:
    """MuJoCo model and state of one rig, with the skin on the hand."""

    def __init__(
        self,
        rig: Rig,
        skin: SkinParameters | None = None,
        objects: Mapping[str, SceneObject] = OBJECTS,
        noise_seed: int | None = None,
    ) -> None:
        """Build the scene, with the standard skin and the standard objects unless others are given.

        The rig's seed says which skin it is; its noise has the same seed unless another is given.

        Raises ConfigError for an object that does not exist or a skin parameter out of range.
        """
        config = rig.world or WorldConfig()
        self.model = build_scene(rig, objects)
        self.data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        self.object_name = config.object
        self._objects = objects
        self.phase = 0
        """What a script does now, as noted in the truth; 0 for nothing."""
        self._steps = max(1, round(rig.hand.period_ms / config.timestep_ms))
        self._step_ns = round(config.timestep_ms * NS_PER_MS)
        joints = [self.model.joint(f"joint_{k}") for k in range(16)]
        self._joint_qpos = np.array([joint.qposadr[0] for joint in joints])
        layout = skin_layout(rig.skin.layout)
        self._skin = MagneticSkin(layout, config.seed, skin, noise_seed)
        self._contact = SkinContact(self.model, self.data, layout, self._skin.grid, self._skin.footprint)
        self.scan = SkinScan(self._counts(self._contact.take(), 0.0), layout, self._skin.parameters, config.seed)
        self.time_ns = 0
        """Simulated time."""
        self._skin_due_ns, self._skin_last_ns, self._frames = SKIN_PERIOD_NS, 0, 0
        self._wrist_target = pose_from_qpos(self._palm_qpos)

    @property
    def _palm_qpos(self) -> Array:
        qpos: Array = self.data.joint(PALM).qpos
        return qpos

    @property
    def joint_position_rad(self) -> Array:
        """(16,) rad."""
        position: Array = self.data.qpos[self._joint_qpos]
        return position

    @property
    def period_ns(self) -> int:
        """Simulated time that one `advance` takes."""
        return self._steps * self._step_ns

    def aim_wrist(self, pose: Array) -> bool:
        """Where the palm should go (7,), world frame; False for a pose that is not one, which changes nothing."""
        usable = bool(np.isfinite(pose).all() and np.linalg.norm(pose[3:]) > 0.5)
        if usable:
            self._wrist_target = np.asarray(pose, float)
        return usable

    def advance(self, torque_nm: Array) -> None:
        """Simulate one control period under motor torques (16,) Nm."""
        self._move_wrist(self.period_ns / NS_PER_S)
        self.data.ctrl[:] = torque_nm
        mujoco.mj_step(self.model, self.data, self._steps)
        self._contact.read()
        self.time_ns += self.period_ns
        self._return_lost_objects()

    def _move_wrist(self, dt_s: float) -> None:
        """Bring the mocap body towards the target, not faster than its limits and never far ahead of the palm."""
        mocap = self.model.body(WRIST).mocapid[0]
        position, quaternion = self.data.mocap_pos[mocap], self.data.mocap_quat[mocap]
        target = qpos_from_pose(self._wrist_target)
        position += _limited(target[:3] - position, MAX_WRIST_SPEED_M_PER_S * dt_s)
        palm_m = self._palm_qpos[:3]
        position[:] = palm_m + _limited(position - palm_m, MAX_WRIST_LEAD_M)
        turn = np.zeros(3)
        mujoco.mju_subQuat(turn, target[3:] / np.linalg.norm(target[3:]), quaternion)
        mujoco.mju_quatIntegrate(quaternion, _limited(turn, MAX_WRIST_SPEED_RAD_PER_S * dt_s), 1.0)

    def _return_lost_objects(self) -> None:
        for name, thing in self._objects.items():
            if thing.hinge_axis is None and self.data.joint(name).qpos[2] < LOST_BELOW_M:
                self.return_object(name)

    def return_object(self, name: str) -> None:
        """Put an object back where it stood at the start, at rest."""
        joint = self.data.joint(name)
        joint.qpos[:] = [*self._objects[name].start_m, 1, 0, 0, 0]
        joint.qvel[:] = 0
        if self._objects[name].holder:
            self.hold_object(name, True)

    def hold_object(self, name: str, held: bool) -> None:
        """Let an object's holder hold it, or let go of it."""
        self.data.eq_active[self.model.equality(f"{name}_holder").id] = held

    def skin_frame(self, stamp: Callable[[int], Stamp] = Stamp.now) -> Truth | None:
        """Feed the skin and return the truth of the last skin period when one is complete, else None.

        `stamp` makes the truth's stamps from simulated time, ns.
        """
        if self.time_ns < self._skin_due_ns:
            return None
        self._skin_due_ns += SKIN_PERIOD_NS
        truth = self._contact.take()
        counts = self._counts(truth, (self.time_ns - self._skin_last_ns) / NS_PER_S)
        self.scan.update(counts, self.time_ns)
        self._skin_last_ns = self.time_ns
        self._frames += 1
        return Truth.stamped(
            stamp(self.time_ns),
            self._frames,
            taxel_force=truth.taxel_force_n,
            pad_wrench=truth.pad_wrench,
            slip=truth.slip_m_per_s,
            object_pose=self._object_pose(self.object_name),
            object_twist=self._twist(self.object_name),
            phase=self.phase,
            palm_pose=pose_from_qpos(self._palm_qpos),
            scene_pose=self._scene_pose(),
        )

    def _counts(self, truth: SkinTruth, dt_s: float) -> Array:
        return self._skin.step(truth.taxel_force_n, truth.slip_m_per_s, truth.pads, dt_s)

    def _twist(self, name: str) -> Array:
        """Velocity (6,) of an object, m/s and rad/s, world frame; MuJoCo keeps a free body's spin in its own frame."""
        if self._objects[name].hinge_axis is not None:
            spin_first = np.zeros(6)
            body = self.model.body(name).id
            mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_BODY, body, spin_first, 0)
            return np.roll(spin_first, 3)
        joint = self.data.joint(name)
        turn = rotation_from_quaternion(pose_from_qpos(joint.qpos)[3:])
        return np.concatenate([joint.qvel[:3], turn @ joint.qvel[3:]])

    def _object_pose(self, name: str) -> Array:
        if self._objects[name].hinge_axis is not None:
            body = self.data.body(name)
            return pose_from_qpos(np.concatenate([body.xpos, body.xquat]))
        return pose_from_qpos(self.data.joint(name).qpos)

    def _scene_pose(self) -> Array:
        poses = np.full((MAX_OBJECTS, 7), np.nan)
        for row, name in enumerate(self._objects):
            poses[row] = self._object_pose(name)
        return poses


def _limited(vector: Array, length: float) -> Array:
    """The vector, shortened to a length where it is longer."""
    norm = np.linalg.norm(vector)
    shortened: Array = vector * min(1.0, length / norm) if norm > 0 else vector
    return shortened
