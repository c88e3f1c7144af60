"""One thing of the simulated world: how it is built, where it stands, and what keeps it there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

HOLDER_SOLREF = (0.005, 1.0)
"""Design choice: a holder that gives way by about two millimetres."""
HINGE_RANGE_RAD, HINGE_NM_PER_RAD, HINGE_NM_S_PER_RAD = (-1.0, 0.05), 0.4, 0.03
"""Design choice: a flap that a push of a few newtons opens by about 30 degrees and a spring shuts."""
_MIRROR_Y = np.array([1.0, -1.0, 1.0])


@dataclass(frozen=True)
class SceneObject:
    """One thing on the table: how it is built and where its frame stands at the start, world frame, m."""

    build: Callable[[mujoco.MjsBody], None]
    start_m: tuple[float, float, float]
    holder: bool = False
    """Held in the air where it starts, as if handed over, until the world lets go of it."""
    hinge_axis: tuple[float, float, float] | None = None
    """For a part that is hinged to the table instead of lying on it."""
    fixed: bool = False
    """Screwed to the table."""

    @property
    def free(self) -> bool:
        """Whether it moves in all six directions."""
        return self.hinge_axis is None and not self.fixed

    def mirrored(self) -> SceneObject:
        """The same thing for a left hand: its mirror image in the world's y."""

        def build(body: mujoco.MjsBody) -> None:
            self.build(body)
            for geom in body.geoms:
                geom.pos = geom.pos * _MIRROR_Y

        x, y, z = self.start_m
        axis = self.hinge_axis and (-self.hinge_axis[0], self.hinge_axis[1], -self.hinge_axis[2])  # as a turn mirrors
        return dataclasses.replace(self, build=build, start_m=(x, -y, z), hinge_axis=axis)


def add_object(spec: mujoco.MjSpec, name: str, thing: SceneObject) -> None:
    """Add a thing to a world as a body of its name, with its joint and holder."""
    body = spec.worldbody.add_body(name=name, pos=thing.start_m)
    if thing.hinge_axis is not None:
        _add_hinge(body, thing.hinge_axis)
    elif thing.free:
        body.add_freejoint(name=name)
    thing.build(body)
    if thing.holder:
        weld = spec.add_equality(name=f"{name}_holder", type=mujoco.mjtEq.mjEQ_WELD, name1=name, name2="world")
        weld.objtype = mujoco.mjtObj.mjOBJ_BODY
        weld.data = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]  # a zero quaternion: the relative pose is that of the start
        weld.solref = HOLDER_SOLREF


def _add_hinge(body: mujoco.MjsBody, axis: tuple[float, float, float]) -> None:
    """A sprung hinge that an open hand can push shut."""
    body.add_joint(
        name=body.name,
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=axis,
        range=HINGE_RANGE_RAD,
        limited=True,
        stiffness=[HINGE_NM_PER_RAD, 0, 0],
        damping=[HINGE_NM_S_PER_RAD, 0, 0],
        armature=0.001,
    )
