"""The simulated world without its wires: physics, wrist, skin. One control period at a time, no sockets, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import mujoco
import numpy as np

from drivers.simulated.contact_kernel import skin_contact
from drivers.simulated.rig_skin import rig_skin
from drivers.simulated.scene import OBJECTS, build_scene, standard_objects
from drivers.simulated.scene_object import SceneObject
from drivers.simulated.scene_truth import SceneTruth
from drivers.simulated.skin.parameters import SkinParameters
from drivers.simulated.skin_contact import SkinTruth
from drivers.simulated.skin_scan import SkinScan
from drivers.simulated.wrist_drive import WristDrive
from skin_teleop.clock import NS_PER_MS, NS_PER_S, Stamp
from skin_teleop.hand import hand_model
from skin_teleop.messages import Truth
from skin_teleop.rig import Rig, WorldConfig
from skin_teleop.skin_layout import skin_layout
from skin_teleop.transforms import Array

SKIN_PERIOD_NS = 10 * NS_PER_MS
"""The vendor server's broadcast and the recorded truth: 100 Hz of simulated time."""
OBJECT_ORDER = tuple(OBJECTS)
"""Which object each row of `Truth.scene_pose` is in a live rig; rows beyond are NaN."""
LOST_BELOW_M = -0.25
"""An object that fell off the table and below this height stands at its start again."""


class World:
    """MuJoCo model and state of one rig, with the skin on the hand."""

    def __init__(
        self,
        rig: Rig,
        skin: SkinParameters | None = None,
        objects: Mapping[str, SceneObject] | None = None,
        noise_seed: int | None = None,
    ) -> None:
        """Build the scene, with the rig's skin and the standard objects unless others are given.

        The rig's seed says which skin it is; its noise has the same seed unless another is given.

        Raises ConfigError for an object that does not exist, a skin parameter out of range or an unusable skin file.
        """
        config = rig.world or WorldConfig()
        self._objects = objects or standard_objects(rig)
        self.model = build_scene(rig, self._objects)
        self.data = mujoco.MjData(self.model)
        self.object_name = config.object
        self.phase = 0
        """What a script does now, as noted in the truth; 0 for nothing."""
        self.period_ns = rig.hand.period_ms * NS_PER_MS
        """Simulated time that one `advance` takes."""
        self._step_ns = round(config.timestep_ms * NS_PER_MS)
        joints = [self.model.joint(f"joint_{k}") for k in range(16)]
        self._joint_qpos = np.array([joint.qposadr[0] for joint in joints])
        hand = hand_model(rig.hand.model, rig.hand.finger_joint1_z_m)
        self.data.qpos[self._joint_qpos] = hand.clamp(hand.mirrored(np.zeros(16)))
        mujoco.mj_forward(self.model, self.data)
        layout = skin_layout(rig.skin.layout)
        self._skin = rig_skin(layout, config, skin, noise_seed)
        self._contact = skin_contact(self.model, self.data, layout, self._skin)
        self.scan = SkinScan(self._counts(self._contact.take(), 0.0), layout, self._skin.parameters, config.seed)
        self.time_ns = 0
        """Simulated time."""
        self.skin_due_ns = SKIN_PERIOD_NS
        """Simulated time at which the present skin period ends."""
        self._periods: deque[tuple[int, Array, dict[str, Any]]] = deque()
        self._frames = 0
        self._wrist = WristDrive(self.model, self.data)
        self.aim_wrist = self._wrist.aim
        self._scene = SceneTruth(self.model, self.data, self._objects, self.object_name)
        self._qpos = self.data.qpos
        self._heights_at = {
            name: int(self.model.joint(name).qposadr[0]) + 2 for name, thing in self._objects.items() if thing.free
        }

    @property
    def joint_position_rad(self) -> Array:
        """(16,) rad."""
        position: Array = self.data.qpos[self._joint_qpos]
        return position

    def advance(self, torque_nm: Array) -> None:
        """Simulate one control period under torques (16,) Nm; `skin_frame` has the skin periods that end in it."""
        self._wrist.advance(self.period_ns / NS_PER_S)
        self.data.ctrl[:] = torque_nm
        end_ns = self.time_ns + self.period_ns
        while self.time_ns < end_ns:
            self._step_to(min(end_ns, self.skin_due_ns))
            if self.time_ns == self.skin_due_ns:
                self._end_skin_period()
        self._return_lost_objects()

    def _step_to(self, end_ns: int) -> None:
        """Equal steps, as near as may be to the rig's, that end exactly there."""
        span_ns = end_ns - self.time_ns
        steps = max(1, round(span_ns / self._step_ns))
        self.model.opt.timestep = span_ns / steps / NS_PER_S
        mujoco.mj_step(self.model, self.data, steps)
        self._contact.read(span_ns / NS_PER_S)
        self.time_ns = end_ns

    def _end_skin_period(self) -> None:
        truth = self._contact.take()
        columns: dict[str, Any] = self._scene.columns()
        columns |= {"taxel_force": truth.taxel_force_n, "pad_wrench": truth.pad_wrench, "slip": truth.slip_m_per_s}
        columns["phase"] = self.phase
        self._periods.append((self.time_ns, self._counts(truth, SKIN_PERIOD_NS / NS_PER_S), columns))
        self.skin_due_ns += SKIN_PERIOD_NS

    def _return_lost_objects(self) -> None:
        for name, height_at in self._heights_at.items():
            if self._qpos.item(height_at) < LOST_BELOW_M:
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

    @property
    def ended_skin_period_ns(self) -> int | None:
        """Simulated time at which the period ended that `skin_frame` would give; None where there is none."""
        return self._periods[0][0] if self._periods else None

    def skin_frame(self, stamp: Callable[[int], Stamp] = Stamp.now) -> Truth | None:
        """The truth of the oldest skin period that was not asked for yet, with its counts in `scan`; None in between.

        `stamp` makes the truth's stamps from simulated time, ns.
        """
        if not self._periods:
            return None
        end_ns, counts, columns = self._periods.popleft()
        self.scan.update(counts, end_ns)
        self._frames += 1
        return Truth.stamped(stamp(end_ns), self._frames, **columns)

    def _counts(self, truth: SkinTruth, dt_s: float) -> Array:
        return self._skin.step(truth.taxel_force_n, truth.slip_m_per_s, truth.pads, dt_s)
